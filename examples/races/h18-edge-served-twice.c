// H18: two threads serve one edge-triggered descriptor at the same time.
//
// Seen in: Mordor, IOManager, https://github.com/mozy/mordor/issues/24
// Bug: the first edge wakes one thread. While that one reads, more comes: a second edge, which wakes the
//   other thread. Both now handle one connection, and its messages are taken out of order.
// Oracle: two threads in the handler.
// Fix: EPOLLONESHOT, armed again when the handler is done.
#include <sys/epoll.h>

#include "race.h"

enum { kMessages = 4, kThreads = 2 };

static int loop, connection, quit;
static atomic_int inside, taken;
static futex_word over;

static void arm(int operation) {
#ifdef FIXED
  const uint32_t events = EPOLLIN | EPOLLET | EPOLLONESHOT;
#else
  const uint32_t events = EPOLLIN | EPOLLET;
  if (operation == EPOLL_CTL_MOD) return;
#endif
  epoll_ctl(loop, operation, connection, &(struct epoll_event){events, {.fd = connection}});
}

static void handle(void) {
  check(atomic_fetch_add(&inside, 1) == 0, "two threads handle one connection");
  while (event_take(connection)) {
    work();
    if (atomic_fetch_add(&taken, 1) + 1 == kMessages) announce(&over, 1);
  }
  atomic_fetch_sub(&inside, 1);
  arm(EPOLL_CTL_MOD);
}

static void* worker(void* unused) {
  for (struct epoll_event event;;) {
    if (epoll_wait(loop, &event, 1, -1) != 1) continue;
    if (event.data.fd == quit) return unused;
    handle();
  }
}

int main(void) {
  loop = epoll_create1(0);
  connection = eventfd(0, EFD_SEMAPHORE | EFD_NONBLOCK);
  quit = eventfd(0, 0);
  arm(EPOLL_CTL_ADD);
  epoll_ctl(loop, EPOLL_CTL_ADD, quit, &(struct epoll_event){EPOLLIN, {.fd = quit}});
  pthread_t workers[kThreads];
  for (int i = 0; i < kThreads; ++i) workers[i] = start(worker, NULL);
  for (int i = 0; i < kMessages; ++i) event_add(connection, 1);
  await(&over, 1);
  event_add(quit, 1);
  for (int i = 0; i < kThreads; ++i) join(workers[i]);
  return 0;
}

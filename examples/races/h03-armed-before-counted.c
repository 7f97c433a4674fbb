// H03: a one-shot descriptor is armed again before the connection says that it is free.
//
// Seen in: 389 Directory Server, connection table with epoll,
//   https://github.com/389ds/389-ds-base/pull/7846 (review)
// Bug: a worker has served a connection and arms its one-shot event. The next request comes at once, and
//   another worker is told; it finds the connection busy (at its limit of threads) and leaves it, since
//   the one who is there will arm it. But that one has done so already.
// Oracle: a hang: a request is in the descriptor, and nobody listens.
// Fix: say that it is free first, arm it then.
#include <sys/epoll.h>

#include "race.h"

enum { kRequests = 6, kWorkers = 2 };

static int loop, connection, quit;
static atomic_int threads;  // that serve the connection; one is the limit
static atomic_int served;
static futex_word all_served;

static void arm(void) {
  struct epoll_event event = {EPOLLIN | EPOLLONESHOT, {.fd = connection}};
  need(epoll_ctl(loop, EPOLL_CTL_MOD, connection, &event) == 0, "epoll_ctl");
}

static void serve(void) {
  if (atomic_fetch_add(&threads, 1) > 0) {
    atomic_fetch_sub(&threads, 1);
    return;
  }
  if (event_take(connection) && atomic_fetch_add(&served, 1) + 1 == kRequests)
    announce(&all_served, 1);
#ifdef FIXED
  atomic_fetch_sub(&threads, 1);
  arm();
#else
  arm();
  atomic_fetch_sub(&threads, 1);
#endif
}

static void* worker(void* unused) {
  for (;;) {
    struct epoll_event event;
    if (epoll_wait(loop, &event, 1, -1) != 1) continue;
    if (event.data.fd == quit) return unused;
    serve();
  }
}

int main(void) {
  loop = epoll_create1(0);
  connection = eventfd(0, EFD_SEMAPHORE | EFD_NONBLOCK);
  quit = eventfd(0, 0);
  struct epoll_event event = {EPOLLIN | EPOLLONESHOT, {.fd = connection}};
  epoll_ctl(loop, EPOLL_CTL_ADD, connection, &event);
  epoll_ctl(loop, EPOLL_CTL_ADD, quit, &(struct epoll_event){EPOLLIN, {.fd = quit}});
  pthread_t workers[kWorkers];
  for (int i = 0; i < kWorkers; ++i) workers[i] = start(worker, NULL);
  for (int i = 0; i < kRequests; ++i) event_add(connection, 1);
  await(&all_served, 1);
  event_add(quit, 1);
  for (int i = 0; i < kWorkers; ++i) join(workers[i]);
  return 0;
}

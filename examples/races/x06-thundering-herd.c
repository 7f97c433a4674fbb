// X06: one item wakes all workers, and all but one read in vain.
//
// Seen: accept() and read() behind a shared epoll set, since there is epoll.
// Bug: all workers wait on one level-triggered set. An item wakes them all; one gets it, and the
//   others call read() on a descriptor that has nothing any more. If it blocks, they are stuck in
//   it, and no longer see anything else that the set reports, such as the order to stop.
// Oracle: a hang: a worker that has been told to stop sleeps in read().
// Fix: EPOLLONESHOT: one worker gets the event, and arms it again when it has read.
#include <sys/epoll.h>

#include "race.h"

enum { kWorkers = 3, kItems = 3 };

#ifdef FIXED
static const uint32_t kEvents = EPOLLIN | EPOLLONESHOT;
#else
static const uint32_t kEvents = EPOLLIN;
#endif

static int set, items, stop;
static futex_word handled;

static void handle_item(void) {
  check(event_take(items) == 1, "read");
#ifdef FIXED
  epoll_ctl(set, EPOLL_CTL_MOD, items, &(struct epoll_event){kEvents, {.fd = items}});
#endif
  count_up(&handled);
}

static void* worker(void* unused) {
  for (;;) {
    struct epoll_event event;
    if (epoll_wait(set, &event, 1, -1) != 1) continue;
    if (event.data.fd == stop) return unused;
    handle_item();
  }
}

int main(void) {
  set = epoll_create1(0);
  items = eventfd(0, EFD_SEMAPHORE);
  stop = eventfd(0, 0);
  epoll_ctl(set, EPOLL_CTL_ADD, items, &(struct epoll_event){kEvents, {.fd = items}});
  epoll_ctl(set, EPOLL_CTL_ADD, stop, &(struct epoll_event){EPOLLIN, {.fd = stop}});
  pthread_t threads[kWorkers];
  for (int i = 0; i < kWorkers; ++i) threads[i] = start(worker, NULL);
  for (int i = 0; i < kItems; ++i) event_add(items, 1);
  await(&handled, kItems);
  event_add(stop, 1);
  for (int i = 0; i < kWorkers; ++i) join(threads[i]);
  return 0;
}

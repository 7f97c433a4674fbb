// P03: a descriptor is closed, and epoll goes on reporting it.
//
// Seen in: libuv https://github.com/libuv/libuv/commit/84f305915, moonbit
//   https://github.com/moonbitlang/async/issues/571, Android's NIO selector
// Bug: "close() removes a descriptor from its epoll sets" holds for the last descriptor of the open
//   file. If a duplicate exists just then (another thread's dup, a child that was forked), the
//   registration stays, under a number that soon belongs to something else. EPOLL_CTL_DEL cannot
//   find it any more.
// Oracle: an event under the number of a descriptor that has nothing to read.
// Fix: EPOLL_CTL_DEL before close().
#include <sys/epoll.h>

#include "race.h"

static int loop, old;
static atomic_bool closed;

static void add(int fd) {
  epoll_ctl(loop, EPOLL_CTL_ADD, fd, &(struct epoll_event){EPOLLIN, {.fd = fd}});
}

/// A thread that uses copies of the old descriptor, each for a short time, say to pass them on.
static void* copier(void* unused) {
  for (int i = 0; i < 3 && !atomic_load(&closed); ++i) {
    const int copy = dup(old);
    if (copy < 0) break;
    work();
    event_add(copy, 1);
    close(copy);
  }
  return unused;
}

int main(void) {
  loop = epoll_create1(0);
  old = eventfd(0, EFD_NONBLOCK);
  add(old);
  const pthread_t other = start(copier, NULL);
  work();
#ifdef FIXED
  epoll_ctl(loop, EPOLL_CTL_DEL, old, NULL);
#endif
  atomic_store(&closed, true);
  close(old);
  const int new = eventfd(0, EFD_NONBLOCK);
  add(new);
  for (int turns = 0; turns < 3; ++turns) {
    struct epoll_event event;
    if (epoll_wait(loop, &event, 1, 1) != 1) continue;
    check(event_take(event.data.fd) > 0, "an event came under the number of an idle descriptor");
  }
  join(other);
  return 0;
}

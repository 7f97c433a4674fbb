// P17: another thread sees the result of a first try that failed.
//
// Seen in: the Go runtime, netpollinit, https://github.com/golang/go/issues/22606
// Bug: the poller is made with epoll_create1(); if the kernel is too old for it, with
//   epoll_create(). Both results go straight into the global `epfd`. In between it is -ENOSYS, and
//   the monitor thread, which only asks whether it is -1, polls with it.
// Oracle: epoll_wait says EBADF, on which the runtime ends the program.
// Fix: the descriptor is published once, when it is ready.
#include <sys/epoll.h>

#include "race.h"

static atomic_int epfd = -1;

/// epoll_create1() of a kernel before 2.6.27.
static int old_epoll_create1(void) {
  work();
  return -ENOSYS;
}

static void* init(void* unused) {
#ifdef FIXED
  int fd = old_epoll_create1();
  if (fd < 0) fd = epoll_create(1024);
  atomic_store(&epfd, fd);
#else
  atomic_store(&epfd, old_epoll_create1());
  if (epfd < 0) atomic_store(&epfd, epoll_create(1024));
#endif
  return unused;
}

/// The monitor: polls now and then, as soon as there is something to poll with.
static void monitor(void) {
  struct epoll_event event;
  const int fd = atomic_load(&epfd);
  if (fd != -1) check(epoll_wait(fd, &event, 1, 0) == 0, "the poller polls with a bad descriptor");
}

int main(void) {
  const pthread_t other = start(init, NULL);
  for (int i = 0; i < 3; ++i) {
    work();
    monitor();
  }
  join(other);
  return 0;
}

// Many timerfds in one epoll, each due at a second of its own: many_timerfds COUNT
//
// Armed in a scrambled order; every second one is set again, and every tenth closed, before it is due.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <unistd.h>

static int arm(int fd, long seconds) {
  const struct itimerspec at = {{0, 0}, {seconds, 0}};
  return timerfd_settime(fd, 0, &at, NULL);
}

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const int count = atoi(argv[1]);
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);

  const int set = epoll_create1(EPOLL_CLOEXEC);
  int* timers = calloc((size_t)count, sizeof *timers);
  for (int i = 0; i < count; ++i) {
    timers[i] = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN | (i % 3 == 0 ? EPOLLET : 0),
                                .data.u32 = (uint32_t)i};
    if (timers[i] < 0 || epoll_ctl(set, EPOLL_CTL_ADD, timers[i], &event) != 0) {
      perror("timer");
      return 1;
    }
  }
  for (int i = 0; i < count; ++i) {
    const int which = (int)((long)i * 7919 % count);
    if (arm(timers[which], which + 1 + (which % 2 == 0 ? 0 : count)) != 0) return 1;
  }
  int closed = 0;
  for (int i = 0; i < count; ++i) {
    if (i % 2 == 1) arm(timers[i], i + 1);
    if (i % 10 == 7) {
      close(timers[i]);
      timers[i] = -1;
      ++closed;
    }
  }

  int fired = 0, last = -1, out_of_order = 0, wrong = 0;
  struct epoll_event events[64];
  while (fired < count - closed) {
    const int ready = epoll_wait(set, events, 64, -1);
    for (int i = 0; i < ready; ++i) {
      const int which = (int)events[i].data.u32;
      uint64_t ticks = 0;
      if (timers[which] < 0 || read(timers[which], &ticks, sizeof ticks) != sizeof ticks ||
          ticks != 1) {
        ++wrong;
      }
      out_of_order += which < last;
      last = which;
      ++fired;
    }
  }
  printf("fired %d, closed %d, out of order %d, wrong %d\n", fired, closed, out_of_order, wrong);
  printf("none left: %d\n", epoll_wait(set, events, 64, 0));
  return 0;
}

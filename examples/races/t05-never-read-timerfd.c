// T05: a periodic timerfd in an edge-triggered epoll set is never read.
//
// Seen in: Boost.Asio https://github.com/chriskohlhoff/asio/pull/145, and again in
//   https://github.com/hyprwm/aquamarine/pull/233 and https://github.com/hyprwm/Hyprland/pull/13091
// Bug: the loop takes EPOLLIN itself for the tick. Linux starts a periodic timer's next period only
//   when somebody reads it (or sets it, or asks for its setting), so there is one edge, and then
//   silence. With level triggering, the same code spins.
// Oracle: a hang: epoll_wait for a timer that looks armed and is not.
// Fix: read the eight bytes each time.
#include <sys/epoll.h>

#include "race.h"

int main(void) {
  const int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  const int loop = epoll_create1(0);
  epoll_ctl(loop, EPOLL_CTL_ADD, timer, &(struct epoll_event){EPOLLIN | EPOLLET, {.fd = timer}});
  timer_set(timer, 0, 10 * NS_PER_MS, 10 * NS_PER_MS);
  for (int ticks = 0; ticks < 3; ++ticks) {
    struct epoll_event event;
    while (epoll_wait(loop, &event, 1, -1) != 1) continue;
#ifdef FIXED
    check(event_take(timer) > 0, "an edge without an expiry");
#endif
  }
  return 0;
}

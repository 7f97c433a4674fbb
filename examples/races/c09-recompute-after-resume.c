// C09: after a suspend, a timer that has run out is given the time that it had left.
//
// Seen in: systemd, timers with WakeSystem=, https://github.com/systemd/systemd/issues/29245
// Bug: a timer unit is due 60 s from now, sleep included: CLOCK_BOOTTIME. The machine is suspended
//   after 30 s, for hours. On resume the clock has changed, so the handler computes the time that
//   is left, as if for CLOCK_MONOTONIC, which stood still: 30 s. It arms the timer again, although
//   it is due.
// Oracle: the unit starts much later than at the resume.
// Fix: a change of CLOCK_REALTIME says nothing about a timer on CLOCK_BOOTTIME: leave it.
// Scenario: --suspend at=30s,for=8h
#include <poll.h>

#include "race.h"

static const int64_t kDelay = 60 * NS_PER_S;
static int64_t begin_monotonic, due_boottime;
static int unit, clock_change;

static void watch_clock(void) {
  const int flags = TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET;
  timer_set(clock_change, flags, INT64_MAX / 2, 0);
}

static void on_clock_change(void) {
  event_take(clock_change);
  watch_clock();
#ifndef FIXED
  const int64_t left = kDelay - (now_ns(CLOCK_MONOTONIC) - begin_monotonic);
  timer_set(unit, 0, left > 1 ? left : 1, 0);
#endif
}

int main(void) {
  unit = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK);
  clock_change = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK);
  watch_clock();
  begin_monotonic = now_ns(CLOCK_MONOTONIC);
  due_boottime = now_ns(CLOCK_BOOTTIME) + kDelay;
  timer_set(unit, TFD_TIMER_ABSTIME, due_boottime, 0);
  int64_t resumed = 0;
  for (bool fired = false; !fired;) {
    struct pollfd both[] = {{clock_change, POLLIN, 0}, {unit, POLLIN, 0}};
    poll(both, 2, -1);
    if (both[0].revents) {
      resumed = now_ns(CLOCK_BOOTTIME);
      on_clock_change();
    }
    if (both[1].revents) fired = event_take(unit) > 0;
  }
  const int64_t could_start = resumed > due_boottime ? resumed : due_boottime;
  const int64_t late = now_ns(CLOCK_BOOTTIME) - could_start;
  check(late < 20 * NS_PER_S, "the unit was due during the sleep, and got a new delay on resume");
  return 0;
}

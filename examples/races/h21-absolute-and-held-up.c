// H21: a deadline is computed, and armed when it has passed already.
//
// Seen in: WSL1, absolute timers in the past, https://github.com/microsoft/WSL/issues/3091; programs that
//   guard against it by leaving the timer disarmed have the same hang
// Bug: "when > now" is tested, since a timer in the past seems to make no sense; else nothing is armed, and
//   nobody is called.
// Oracle: a hang: the timer is never armed.
// Fix: arm it: a time in the past expires at once.
#include "race.h"

static int timer;

static void call_at(int64_t when) {
#ifndef FIXED
  if (when <= now_ns(CLOCK_MONOTONIC)) return;
#endif
  timer_set(timer, TFD_TIMER_ABSTIME, when, 0);
}

int main(void) {
  timer = timerfd_create(CLOCK_MONOTONIC, 0);
  int64_t when = now_ns(CLOCK_MONOTONIC);
  for (int i = 0; i < 3; ++i) {
    when += 2 * NS_PER_MS;
    call_at(when);
    event_take(timer);
  }
  return 0;
}

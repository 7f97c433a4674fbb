// T19: "never" is a date, and the clock has passed it.
//
// Seen in: systemd (PID 1 spins at boot when the clock chip reads 2040),
//   https://github.com/systemd/systemd/issues/1143
// Bug: to hear of clock changes a timer is armed for "never", with TFD_TIMER_CANCEL_ON_SET. Never
//   is the greatest 32-bit time_t. Once the clock is past 2038 that timer has always expired: the
//   handler says "time has been changed", arms the same value again, and so on.
// Oracle: more clock changes than there were.
// Fix: a "never" which no clock reaches.
#include <poll.h>

#include "race.h"

#ifdef FIXED
static const time_t kNever = INT64_MAX / NS_PER_S - 1;
#else
static const time_t kNever = INT32_MAX;
#endif

static int timer;

static void watch_clock(void) {
  const struct itimerspec never = {{0, 0}, {kNever, 0}};
  const int flags = TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET;
  need(timerfd_settime(timer, flags, &never, NULL) == 0, "timerfd_settime");
}

/// A clock chip whose battery was empty says it is 2040.
static void* bad_clock(void* unused) {
  sleep_ns(NS_PER_S);
  step_realtime(2209032000 * NS_PER_S - now_ns(CLOCK_REALTIME));
  return unused;
}

int main(void) {
  guest_clock_only();
  timer = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK);
  watch_clock();
  const pthread_t other = start(bad_clock, NULL);
  int changes = 0;
  while (poll(&(struct pollfd){timer, POLLIN, 0}, 1, 10 * 1000) == 1) {
    event_take(timer);  // ECANCELED: somebody set the clock
    watch_clock();
    check(++changes <= 3, "the time has been changed, again and again, says the log");
  }
  join(other);
  check(changes == 1, "the clock was set once, and that was not seen");
  return 0;
}

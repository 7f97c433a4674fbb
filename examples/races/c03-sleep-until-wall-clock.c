// C03: a sleep ends at a time of the wall clock, and the wall clock is moved back.
//
// Seen in: Waybar, the clock in the bar froze, https://github.com/Alexays/Waybar/pull/1500
// Bug: sleep_until(next full minute) on the system clock. When that is set back by an hour while
//   the thread sleeps, the minute is an hour and some seconds away.
// Oracle: two minutes pass without an update.
// Fix: compute how long it is to the next minute, and sleep for that long on the monotonic clock.
#include "race.h"

static const int64_t kMinute = 60 * NS_PER_S;

static void sleep_to_next_minute(void) {
  const int64_t now = now_ns(CLOCK_REALTIME), next = (now / kMinute + 1) * kMinute;
#ifdef FIXED
  sleep_ns(next - now);
#else
  const struct timespec until = {next / NS_PER_S, next % NS_PER_S};
  clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &until, NULL);
#endif
}

static void* user(void* unused) {
  sleep_ns(90 * NS_PER_S);
  step_realtime(-3600 * NS_PER_S);
  return unused;
}

int main(void) {
  guest_clock_only();
  const pthread_t other = start(user, NULL);
  for (int updates = 0; updates < 4; ++updates) {
    const int64_t before = now_ns(CLOCK_MONOTONIC);
    sleep_to_next_minute();
    check(now_ns(CLOCK_MONOTONIC) - before < 2 * kMinute, "the clock in the bar has stopped");
  }
  join(other);
  return 0;
}

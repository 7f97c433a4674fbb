// C07: a deadline of one clock is compared with the time of another.
//
// Seen in: Chronos, https://github.com/Metaswitch/chronos/issues/85
// Bug: a timer's time to pop is computed from CLOCK_REALTIME. The wheel turns by CLOCK_MONOTONIC,
//   plus the difference of the two when the program started. NTP sets the clock back: from then on
//   every new timer pops at once.
// Oracle: a timer pops too early.
// Fix: one clock for both sides of the comparison.
#include "race.h"

enum { kTimers = 5 };

static const int64_t kDelay = 10 * NS_PER_S;
static int64_t offset;  // of the wheel to CLOCK_MONOTONIC

static int64_t wheel_now(void) { return now_ns(CLOCK_MONOTONIC) + offset; }

static int64_t pop_time(int64_t delay) {
#ifdef FIXED
  return wheel_now() + delay;
#else
  return now_ns(CLOCK_REALTIME) + delay;
#endif
}

static void* ntp(void* unused) {
  sleep_ns(25 * NS_PER_S);
  step_realtime(-60 * NS_PER_S);
  return unused;
}

int main(void) {
  guest_clock_only();
  offset = now_ns(CLOCK_REALTIME) - now_ns(CLOCK_MONOTONIC);
  const pthread_t other = start(ntp, NULL);
  for (int i = 0; i < kTimers; ++i) {
    const int64_t set = now_ns(CLOCK_MONOTONIC), pops = pop_time(kDelay);
    while (wheel_now() < pops) sleep_ns(NS_PER_S);
    check(now_ns(CLOCK_MONOTONIC) - set >= kDelay, "a timer popped long before its time");
  }
  join(other);
  return 0;
}

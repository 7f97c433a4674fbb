// T17: after a step of the clock, a timer reports every minute since 1970.
//
// Seen in: barista, https://github.com/soumya92/barista/issues/150 (26486608 ticks at once)
// Bug: a timer for each full minute is armed with the epoch as its base; Linux has it expire at
//   once and reports how many periods have passed since the base. At the start the program throws
//   that count away. When the clock is stepped, read() says ECANCELED, the program arms the timer
//   anew, and the loop that runs a callback per tick runs it millions of times.
// Oracle: more callbacks than minutes.
// Fix: arm for the next full minute; take a count for "at least once".
#include "race.h"

enum { kMinutes = 3 };

static const int64_t kMinute = 60 * NS_PER_S;
static int timer;

static void arm(void) {
  const int flags = TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET;
#ifdef FIXED
  const int64_t first = (now_ns(CLOCK_REALTIME) / kMinute + 1) * kMinute;
#else
  const int64_t first = kMinute;  // in 1970: Linux finds the next full minute by itself
#endif
  timer_set(timer, flags, first, kMinute);
}

static uint64_t ticks(void) {
  const uint64_t count = event_take(timer);
  if (count == 0 && errno == ECANCELED) arm();
  return count;
}

/// NTP: finds the clock wrong by an hour.
static void* ntp(void* unused) {
  sleep_ns(90 * NS_PER_S);
  step_realtime(3600 * NS_PER_S);
  return unused;
}

int main(void) {
  guest_clock_only();
  timer = timerfd_create(CLOCK_REALTIME, 0);
  arm();
#ifndef FIXED
  ticks();  // those since 1970
#endif
  const pthread_t other = start(ntp, NULL);
  for (uint64_t callbacks = 0, done = 0; done < kMinutes;) {
    const uint64_t count = ticks();
    if (count) ++done;
#ifdef FIXED
    callbacks += count > 0;
#else
    callbacks += count;           // the real loop calls them one by one
#endif
    check(callbacks < 1000, "the callbacks of all minutes since 1970 are run");
  }
  join(other);
  return 0;
}

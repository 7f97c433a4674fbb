// C05: the timers of an event loop go by the wall clock.
//
// Seen in: Redis, ae.c, https://github.com/redis/redis/pull/646 and
//   https://github.com/redis/redis/issues/416; on the monotonic clock since
//   https://github.com/redis/redis/pull/7644
// Bug: the next run of serverCron is a time of day. If the clock is set back, it lies far ahead:
//   nothing is saved, nothing replicated, until the clock is there again. (Set forward, all clients
//   time out.)
// Oracle: ten seconds without a cron that is due every 100 ms.
// Fix: a clock that nobody can set.
#include <poll.h>

#include "race.h"

#ifdef FIXED
static const clockid_t kClock = CLOCK_MONOTONIC;
#else
static const clockid_t kClock = CLOCK_REALTIME;
#endif

static const int64_t kPeriod = 100 * NS_PER_MS;
static int64_t last_cron;  // on the monotonic clock

static void server_cron(void) {
  const int64_t now = now_ns(CLOCK_MONOTONIC);
  check(now - last_cron < 10 * NS_PER_S, "serverCron has not run for a long time");
  last_cron = now;
}

static void* administrator(void* unused) {
  sleep_ns(250 * NS_PER_MS);
  step_realtime(-3600 * NS_PER_S);
  return unused;
}

int main(void) {
  guest_clock_only();
  last_cron = now_ns(CLOCK_MONOTONIC);
  const pthread_t other = start(administrator, NULL);
  int64_t when = now_ns(kClock) + kPeriod;
  for (int runs = 0; runs < 10;) {
    const int64_t left = when - now_ns(kClock);
    if (left > 0) {
      poll(NULL, 0, (int)((left + NS_PER_MS - 1) / NS_PER_MS));
      continue;
    }
    server_cron();
    when = now_ns(kClock) + kPeriod;
    ++runs;
  }
  join(other);
  return 0;
}

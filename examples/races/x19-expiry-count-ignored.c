// X19: one read of a periodic timer counts as one period, whatever the read says.
//
// Seen: media clocks, game loops, https://github.com/RayforceDB/rayforce/pull/479; T12 and T17 are
//   relatives
// Bug: the count that read() returns is thrown away. As long as every period is on time that is
//   right; after one slow round the position is behind, and stays behind.
// Oracle: the position differs from the time that has passed.
// Fix: the count is the number of periods.
#include "race.h"

static const int64_t kPeriod = 20 * NS_PER_MS;

int main(void) {
  const int timer = timerfd_create(CLOCK_MONOTONIC, 0);
  const int64_t begin = now_ns(CLOCK_MONOTONIC);
  timer_set(timer, 0, kPeriod, kPeriod);
  int64_t position = 0;
  for (int round = 0; round < 5; ++round) {
    const uint64_t count = event_take(timer);
#ifdef FIXED
    position += (int64_t)count;
#else
    position += count > 0;
#endif
    if (round == 1) sleep_ns(10 * kPeriod);  // one slow round
  }
  const int64_t periods = (now_ns(CLOCK_MONOTONIC) - begin) / kPeriod;
  check(periods - position < 5, "the position is behind the clock for good");
  return 0;
}

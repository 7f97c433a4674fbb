// H20: a thread that was held up for several periods counts one.
//
// Seen in: loops that take "the timer is readable" for one tick (see X19); as a race: only if the reader is late
// Bug: a periodic timer is read, and one period is added to the position. After a hold-up the count is
//   higher, and the position stays behind for ever.
// Oracle: the position and the clock differ by more than one period at the end.
// Fix: the count is added.
#include "race.h"

enum { kPeriods = 6 };
static const int64_t kPeriod = NS_PER_MS;

int main(void) {
  const int timer = timerfd_create(CLOCK_MONOTONIC, 0);
  const int64_t begin = now_ns(CLOCK_MONOTONIC);
  timer_set(timer, TFD_TIMER_ABSTIME, begin + kPeriod, kPeriod);
  uint64_t position = 0, read = 0;
  while (position < kPeriods) {
    const uint64_t count = event_take(timer);
    read += count;
#ifdef FIXED
    position += count;
#else
    position += 1;
#endif
  }
  check(position == read, "ticks were lost");
  return 0;
}

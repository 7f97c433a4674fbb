// T11: timerfd_gettime() is asked whether a periodic timer has ticked.
//
// Seen in: FreeSWITCH (silence on the line), https://github.com/signalwire/freeswitch/pull/3129
// Bug: "it_value is 0, so it has expired" holds for a one-shot timer. For a periodic one it_value
//   is the time to the *next* tick: it is never 0, however many ticks nobody has read.
// Oracle: ten periods are over, and no tick was seen.
// Fix: poll(): a timerfd with unread ticks is readable.
#include <poll.h>

#include "race.h"

static const int64_t kPeriod = 20 * NS_PER_MS;

static bool has_ticked(int timer) {
#ifdef FIXED
  return poll(&(struct pollfd){timer, POLLIN, 0}, 1, 0) == 1;
#else
  struct itimerspec left;
  timerfd_gettime(timer, &left);
  return left.it_value.tv_sec == 0 && left.it_value.tv_nsec == 0;
#endif
}

int main(void) {
  const int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  timer_set(timer, 0, kPeriod, kPeriod);
  const int64_t begin = now_ns(CLOCK_MONOTONIC);
  uint64_t ticks = 0;
  for (int i = 1; i <= 10; ++i) {
    sleep_until(begin + i * kPeriod + NS_PER_MS);
    if (has_ticked(timer)) ticks += event_take(timer);
  }
  check(ticks >= 10, "ten periods are over, but hardly a tick was seen");
  return 0;
}

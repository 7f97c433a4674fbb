// T07: "no time is left" is told to the timer as 0, which means: disarm.
//
// Seen in: qt_eventdispatcher_epoll https://github.com/sjinks/qt_eventdispatcher_epoll/issues/2,
//   calloop https://github.com/Smithay/calloop/pull/79
// Bug: the dispatcher runs what is due, then computes how long the next timer has to wait, with
//   subtraction that stops at 0. Between its two looks at the clock that timer comes due:
//   timerfd_settime({0, 0}) switches the timer off, although it stays in the list for ever.
// Oracle: a hang in poll: the timer is on the list and not armed.
// Fix: at least 1 ns; or TFD_TIMER_ABSTIME, where the past fires at once.
#include <poll.h>

#include "race.h"

enum { kTimers = 4 };

static const int64_t kSpacing = 10 * NS_PER_MS;
static int64_t deadlines[kTimers];
static int fired;

/// Each callback takes until shortly before the next timer is due.
static void run_due(void) {
  while (fired < kTimers && deadlines[fired] <= now_ns(CLOCK_MONOTONIC)) {
    ++fired;
    work();
    if (fired < kTimers) sleep_until(deadlines[fired] - 3 * NS_PER_US);
  }
}

static int64_t remaining(void) {
  const int64_t left = deadlines[fired] - now_ns(CLOCK_MONOTONIC);
#ifdef FIXED
  return left > 1 ? left : 1;
#else
  return left > 0 ? left : 0;
#endif
}

/// Another thread of the program: busy whenever a timer is due, and so takes time from the dispatcher.
static void* neighbour(void* unused) {
  for (int i = 1; i < kTimers; ++i) {
    sleep_until(deadlines[i] - 3 * NS_PER_US);
    for (int calls = 0; calls < 3; ++calls) work();
  }
  return unused;
}

int main(void) {
  const int timer = timerfd_create(CLOCK_MONOTONIC, 0);
  const int64_t begin = now_ns(CLOCK_MONOTONIC);
  for (int i = 0; i < kTimers; ++i) deadlines[i] = begin + (i + 1) * kSpacing;
  const pthread_t other = start(neighbour, NULL);
  while (fired < kTimers) {
    timer_set(timer, 0, remaining(), 0);
    poll(&(struct pollfd){timer, POLLIN, 0}, 1, -1);
    run_due();
  }
  join(other);
  return 0;
}

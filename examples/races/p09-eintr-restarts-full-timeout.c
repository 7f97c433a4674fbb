// P09: each signal starts the time-out from the beginning.
//
// Seen in: bun https://github.com/oven-sh/bun/pull/34780, CPython's locks
//   https://github.com/python/cpython/issues/74953
// Bug: a wait is interrupted by a signal and is called again with the same relative time-out. With
//   a profiler that sends a signal every millisecond, a time-out of 10 ms never passes.
// Oracle: 200 interruptions of one wait.
// Fix: compute the deadline once, and from it the time that is left.
#include <signal.h>
#include <sys/epoll.h>
#include <sys/time.h>

#include "race.h"

enum { kTimeoutMs = 10, kSignals = 200 };

static void on_profiler(int signal) { (void)signal; }

int main(void) {
  const struct sigaction action = {.sa_handler = on_profiler};
  sigaction(SIGALRM, &action, NULL);
  const struct itimerval millisecond = {{0, 1000}, {0, 1000}};
  setitimer(ITIMER_REAL, &millisecond, NULL);
  const int loop = epoll_create1(0);
  const int64_t deadline = now_ns(CLOCK_MONOTONIC) + kTimeoutMs * NS_PER_MS;
  int left = kTimeoutMs;
  struct epoll_event event;
  for (int signals = 0; epoll_wait(loop, &event, 1, left) < 0; ++signals) {
    check(errno == EINTR && signals < kSignals, "signals keep a wait of 10 ms from ever ending");
#ifdef FIXED
    const int64_t rest = deadline - now_ns(CLOCK_MONOTONIC);
    left = rest > 0 ? (int)((rest + NS_PER_MS - 1) / NS_PER_MS) : 0;
#endif
  }
  check(now_ns(CLOCK_MONOTONIC) >= deadline, "the wait ended too early");
  return 0;
}

// X18: a sleep is continued after each signal with what was left of it.
//
// Seen: the example in many manuals: while (nanosleep(&left, &left)) continue;
// Bug: what is left is taken when the signal comes; the time that its handler takes, and the way
//   back into the sleep, count for nothing. With many signals a sleep gets as long as one likes.
// Oracle: a sleep of 100 ms is not over after 150 ms.
// Fix: sleep until an absolute time.
#include <signal.h>
#include <sys/time.h>

#include "race.h"

static const int64_t kSleep = 100 * NS_PER_MS;

/// Half of the time goes into the handler.
static void on_profiler(int signal) {
  (void)signal;
  const int saved = errno;
  nanosleep(&(struct timespec){0, NS_PER_MS / 2}, NULL);
  errno = saved;
}

static void sleep_all(void) {
#ifdef FIXED
  sleep_ns(kSleep);
#else
  struct timespec left = {0, kSleep};
  while (nanosleep(&left, &left) < 0 && errno == EINTR) continue;
#endif
}

int main(void) {
  const struct sigaction action = {.sa_handler = on_profiler};
  sigaction(SIGALRM, &action, NULL);
  const struct itimerval millisecond = {{0, 1000}, {0, 1000}};
  setitimer(ITIMER_REAL, &millisecond, NULL);
  const int64_t before = now_ns(CLOCK_MONOTONIC);
  sleep_all();
  check(now_ns(CLOCK_MONOTONIC) - before < kSleep * 3 / 2, "each signal has made the sleep longer");
  return 0;
}

// C13: clock_nanosleep() returns its error, and the code looks for -1.
//
// Seen in: gz-common, https://github.com/gazebosim/gz-common/issues/44
// Bug: nearly all system calls return -1 and set errno. clock_nanosleep() returns EINTR itself, so
//   a test for -1 never holds: an interrupted sleep counts as a complete one.
// Oracle: the sleep was too short.
// Fix: test the result, not -1 and errno.
#include <signal.h>
#include <sys/time.h>

#include "race.h"

static const int64_t kSleep = 50 * NS_PER_MS;

static void on_alarm(int signal) { (void)signal; }

static void sleep_all(struct timespec left) {
#ifdef FIXED
  while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR) continue;
#else
  while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == -1 && errno == EINTR) continue;
#endif
}

int main(void) {
  const struct sigaction action = {.sa_handler = on_alarm};
  sigaction(SIGALRM, &action, NULL);
  const struct itimerval once = {{0, 0}, {0, 10000}};
  setitimer(ITIMER_REAL, &once, NULL);
  const int64_t before = now_ns(CLOCK_MONOTONIC);
  sleep_all((struct timespec){0, kSleep});
  check(now_ns(CLOCK_MONOTONIC) - before >= kSleep,
        "an interrupted sleep was taken for a whole one");
  return 0;
}

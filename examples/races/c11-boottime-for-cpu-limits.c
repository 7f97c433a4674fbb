// C11: a limit for how long a worker may run also counts the time that the machine slept.
//
// Seen in: systemd-udevd, https://github.com/systemd/systemd/pull/6198 (issue 5903)
// Bug: workers may take 180 s, measured on CLOCK_BOOTTIME. The lid is closed for ten minutes: on
//   resume every worker has exceeded its limit and is killed, though it has hardly run.
// Oracle: a healthy worker is killed.
// Fix: CLOCK_MONOTONIC stands still during suspend, as the worker does.
// Scenario: --suspend at=5s,for=10m
#include "race.h"

#ifdef FIXED
static const clockid_t kClock = CLOCK_MONOTONIC;
#else
static const clockid_t kClock = CLOCK_BOOTTIME;
#endif

static const int64_t kLimit = 180 * NS_PER_S;
static atomic_bool done;

static void* worker(void* unused) {
  for (int i = 0; i < 20; ++i) sleep_ns(NS_PER_S);  // probes a device
  atomic_store(&done, true);
  return unused;
}

int main(void) {
  const int64_t begin = now_ns(kClock);
  const pthread_t thread = start(worker, NULL);
  while (!atomic_load(&done)) {
    check(now_ns(kClock) - begin < kLimit,
          "a worker that ran for some seconds is killed as too slow");
    sleep_ns(NS_PER_S);
  }
  join(thread);
  return 0;
}

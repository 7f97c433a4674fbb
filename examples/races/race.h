// What the guests of examples/races/ have in common: raw futexes, eventfds, time, threads, and the one way
// to say that a bug has shown itself. See README.md.
//
// A guest assumes nothing about speed: a thread may be held up anywhere, for any time, and the fixed
// version must still be right. So an oracle is a count, a state or a hang, never "this took too long"
// where a slow machine could be the reason.
#pragma once

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_US 1000LL
#define NS_PER_MS 1000000LL
#define NS_PER_S 1000000000LL

// ---- the oracle ----

/// Ends the guest with exit code 1 and one line on stderr, unless `good`.
static inline void check(bool good, const char* wrong) {
  if (good) return;
  fprintf(stderr, "%s: %s\n", program_invocation_short_name, wrong);
  _exit(1);
}

/// Ends the guest with exit code 2 if the *test* cannot go on: not the bug, and not a pass either.
static inline void need(bool possible, const char* what) {
  if (possible) return;
  fprintf(stderr, "%s: cannot go on: %s: %s\n", program_invocation_short_name, what,
          strerror(errno));
  _exit(2);
}

// ---- threads ----

static inline pthread_t start(void* (*body)(void*), void* argument) {
  pthread_t thread;
  errno = pthread_create(&thread, NULL, body, argument);
  need(errno == 0, "pthread_create");
  return thread;
}

static inline void join(pthread_t thread) { pthread_join(thread, NULL); }

/// Stands for whatever else the real code does at this point (a log line, a read, an allocation): one
/// system call that changes nothing, at which another thread may get the processor.
static inline void work(void) { getppid(); }

// ---- futexes ----

typedef _Atomic uint32_t futex_word;

static inline int futex(futex_word* word, int operation, uint32_t value,
                        const struct timespec* timeout) {
  return (int)syscall(SYS_futex, word, operation | FUTEX_PRIVATE_FLAG, value, timeout, NULL, 0);
}

/// Sleeps if *word == expected: 0, EAGAIN or EINTR. As with every futex, 0 does not mean that anybody
/// called futex_wake() for this waiter.
static inline int futex_wait(futex_word* word, uint32_t expected) {
  return futex(word, FUTEX_WAIT, expected, NULL) == 0 ? 0 : errno;
}

/// The same, for `ns` at most: also ETIMEDOUT.
static inline int futex_wait_for(futex_word* word, uint32_t expected, int64_t ns) {
  const struct timespec timeout = {ns / NS_PER_S, ns % NS_PER_S};
  return futex(word, FUTEX_WAIT, expected, &timeout) == 0 ? 0 : errno;
}

/// Wakes up to `count` waiters; the number woken.
static inline int futex_wake(futex_word* word, int count) {
  return futex(word, FUTEX_WAKE, (uint32_t)count, NULL);
}

/// Sets a word for good and tells everybody.
static inline void announce(futex_word* word, uint32_t value) {
  atomic_store(word, value);
  futex_wake(word, INT_MAX);
}

/// Adds one to a word and tells everybody.
static inline void count_up(futex_word* word) {
  atomic_fetch_add(word, 1);
  futex_wake(word, INT_MAX);
}

/// Waits until a word that only grows has reached `value`.
static inline void await(futex_word* word, uint32_t value) {
  for (uint32_t seen; (seen = atomic_load(word)) < value;) futex_wait(word, seen);
}

// ---- eventfd and timerfd ----

/// Adds to an eventfd; false with errno if that fails.
static inline bool event_add(int fd, uint64_t count) {
  ssize_t done;
  do done = write(fd, &count, sizeof(count));
  while (done < 0 && errno == EINTR);
  return done == sizeof(count);
}

/// Reads the count of an eventfd or timerfd; 0 with errno if that fails.
static inline uint64_t event_take(int fd) {
  uint64_t count = 0;
  ssize_t done;
  do done = read(fd, &count, sizeof(count));
  while (done < 0 && errno == EINTR);
  return done == sizeof(count) ? count : 0;
}

/// Arms a timerfd, or disarms it if `first` is 0. `flags`: TFD_TIMER_ABSTIME and so on.
static inline void timer_set(int fd, int flags, int64_t first, int64_t period) {
  const struct itimerspec setting = {{period / NS_PER_S, period % NS_PER_S},
                                     {first / NS_PER_S, first % NS_PER_S}};
  need(timerfd_settime(fd, flags, &setting, NULL) == 0, "timerfd_settime");
}

// ---- time ----

static inline int64_t now_ns(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return now.tv_sec * NS_PER_S + now.tv_nsec;
}

/// Sleeps until an instant of CLOCK_MONOTONIC, whatever signals come.
static inline void sleep_until(int64_t ns) {
  const struct timespec until = {ns / NS_PER_S, ns % NS_PER_S};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR) continue;
}

static inline void sleep_ns(int64_t ns) { sleep_until(now_ns(CLOCK_MONOTONIC) + ns); }

/// Refuses to run where a step of the clock would be everybody's. Under detent it is the guest's only, so
/// whoever starts the guest there says so in the environment.
static inline void guest_clock_only(void) {
  if (getenv("RACES_MAY_STEP_CLOCK")) return;
  fprintf(stderr, "%s: steps the clock: run it under detent, with RACES_MAY_STEP_CLOCK=1\n",
          program_invocation_short_name);
  _exit(77);
}

/// Steps CLOCK_REALTIME, as NTP or an administrator would.
static inline void step_realtime(int64_t by_ns) {
  guest_clock_only();
  const int64_t ns = now_ns(CLOCK_REALTIME) + by_ns;
  const struct timespec then = {ns / NS_PER_S, ns % NS_PER_S};
  need(clock_settime(CLOCK_REALTIME, &then) == 0, "clock_settime");
}

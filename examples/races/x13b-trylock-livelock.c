// X13b: two threads back off from each other, in step, for ever.
//
// Seen: deadlock avoidance by "try, let go, wait a little, try again".
// Bug: each has one mutex and tries for the other's. Both fail, let go, wait for the same time and
//   start again. Noise ends this sooner or later; a timer tick that wakes both keeps them in step
//   for long.
// Oracle: a hundred attempts without a success.
// Fix: one order for all, as in X13a (or back-off of random length).
#include "race.h"

#ifndef FIXED
enum { kAttempts = 100 };
#endif

static pthread_mutex_t mutexes[2] = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER};

static int64_t begin;

static void sleep_to_next_tick(void) {
  const int64_t since = now_ns(CLOCK_MONOTONIC) - begin;
  sleep_until(begin + (since / NS_PER_MS + 1) * NS_PER_MS);
}

#ifdef FIXED
static void lock_both(int first) {
  (void)first;
  pthread_mutex_lock(&mutexes[0]);
  sleep_to_next_tick();
  pthread_mutex_lock(&mutexes[1]);
}
#else
static void lock_both(int first) {
  for (int attempt = 0;; ++attempt) {
    check(attempt < kAttempts, "two threads back off from each other without end");
    pthread_mutex_lock(&mutexes[first]);
    sleep_to_next_tick();
    if (pthread_mutex_trylock(&mutexes[!first]) == 0) return;
    sleep_ns(10 * NS_PER_US);  // a line for the log
    pthread_mutex_unlock(&mutexes[first]);
    sleep_to_next_tick();
  }
}
#endif

static void* user(void* number) {
  lock_both((int)(intptr_t)number);
  pthread_mutex_unlock(&mutexes[0]);
  pthread_mutex_unlock(&mutexes[1]);
  return NULL;
}

int main(void) {
  begin = now_ns(CLOCK_MONOTONIC);
  const pthread_t one = start(user, (void*)0), two = start(user, (void*)1);
  join(one);
  join(two);
  return 0;
}

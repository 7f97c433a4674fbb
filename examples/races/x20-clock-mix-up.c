// X20: a deadline of one clock is given to a wait on another.
//
// Seen: condition variables with pthread_condattr_setclock(); the other way round the wait returns
//   at once.
// Bug: the condition variable is told to use CLOCK_MONOTONIC, and the deadline is "CLOCK_REALTIME
//   plus one second". Seen from the monotonic clock that is in fifty years. (Virtual time does wait
//   that long.)
// Oracle: a wait of one second has taken more than an hour.
// Fix: one clock for a deadline and the wait.
#include "race.h"

#ifdef FIXED
static const clockid_t kDeadlineClock = CLOCK_MONOTONIC;
#else
static const clockid_t kDeadlineClock = CLOCK_REALTIME;
#endif

int main(void) {
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_t never;
  pthread_cond_init(&never, &attributes);
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  const int64_t before = now_ns(CLOCK_MONOTONIC), deadline = now_ns(kDeadlineClock) + NS_PER_S;
  const struct timespec until = {deadline / NS_PER_S, deadline % NS_PER_S};
  pthread_mutex_lock(&mutex);
  while (pthread_cond_timedwait(&never, &mutex, &until) != ETIMEDOUT) continue;
  pthread_mutex_unlock(&mutex);
  const int64_t waited = now_ns(CLOCK_MONOTONIC) - before;
  check(waited < 3600 * NS_PER_S, "a wait of one second has taken years");
  return 0;
}

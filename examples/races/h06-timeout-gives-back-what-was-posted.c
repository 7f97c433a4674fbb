// H06: a timed wait gives back a token that it had never been counted for.
//
// Seen in: TizenRT, sem_timedwait, https://github.com/Samsung/TizenRT/pull/7487
// Bug: a waiter counts itself (value - 1, which may be negative) and sleeps. When its time is over it adds
//   the one back; but a post has come in the meantime and has added one for it, too. So the next wait
//   returns although nothing was posted.
// Oracle: more waits succeed than posts were made.
// Fix: after the time-out, look whether a post came first; then it is a success.
#include "race.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int value;          // negative: so many wait
static futex_word grants;  // for those who wait
static atomic_int taken, posted;

static void post(void) {
  pthread_mutex_lock(&mutex);
  atomic_fetch_add(&posted, 1);
  if (++value <= 0) atomic_fetch_add(&grants, 1);
  pthread_mutex_unlock(&mutex);
  futex_wake(&grants, 1);
}

static bool take_grant(void) {
  uint32_t seen = atomic_load(&grants);
  while (seen > 0) {
    if (atomic_compare_exchange_strong(&grants, &seen, seen - 1)) return true;
  }
  return false;
}

static bool timed_wait(int64_t ns) {
  pthread_mutex_lock(&mutex);
  const bool waits = --value < 0;
  pthread_mutex_unlock(&mutex);
  if (!waits || take_grant()) return true;
  const int64_t until = now_ns(CLOCK_MONOTONIC) + ns;
  for (int64_t now; (now = now_ns(CLOCK_MONOTONIC)) < until;) {
    futex_wait_for(&grants, 0, until - now);
    if (take_grant()) return true;
  }
  pthread_mutex_lock(&mutex);
#ifdef FIXED
  const bool late = take_grant();
  if (!late) ++value;
#else
  const bool late = false;
  ++value;
#endif
  pthread_mutex_unlock(&mutex);
  return late;
}

static void* poster(void* unused) {
  sleep_ns(NS_PER_MS);
  post();
  return unused;
}

int main(void) {
  const pthread_t thread = start(poster, NULL);
  if (timed_wait(NS_PER_MS)) atomic_fetch_add(&taken, 1);
  join(thread);
  for (int i = 0; i < 2; ++i) {
    if (timed_wait(NS_PER_MS)) atomic_fetch_add(&taken, 1);
  }
  check(taken == posted, "tokens and posts differ");
  return 0;
}

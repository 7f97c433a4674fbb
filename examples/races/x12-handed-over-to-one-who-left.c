// X12: a lock is handed to a waiter that is just timing out.
//
// Seen: Linux, PI futexes (F38): ETIMEDOUT, while the futex says that the caller owns it.
// Bug: the unlock makes the first in line the owner. That one has timed out at the same moment, and
//   returns "not locked" without a look at the word. The owner does not know that it is the owner.
// Oracle: a hang: the next one waits for an unlock that nobody will do.
// Fix: who times out looks, under the guard, whether the lock is its own by now.
#include "race.h"

enum { kNobody, kHolder, kImpatient, kNext };

static const int64_t kPatience = 10 * NS_PER_MS;
static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;
static futex_word owner = kHolder;
static uint32_t line[2];  // who waits, first in line first

/// True if nobody had the lock; else `me` is in line.
static bool take_or_queue(uint32_t me) {
  pthread_mutex_lock(&guard);
  const bool taken = owner == kNobody;
  if (taken)
    atomic_store(&owner, me);
  else
    line[line[0] ? 1 : 0] = me;
  pthread_mutex_unlock(&guard);
  return taken;
}

static void leave_line(uint32_t me) {
  if (line[0] == me) line[0] = line[1];
  if (line[1] == me || line[1] == line[0]) line[1] = kNobody;
}

static void unlock(void) {
  pthread_mutex_lock(&guard);
  const uint32_t first = line[0];
  leave_line(first);
  atomic_store(&owner, first);
  pthread_mutex_unlock(&guard);
  futex_wake(&owner, INT_MAX);
}

static bool timed_lock(uint32_t me, int64_t ns) {
  if (take_or_queue(me)) return true;
  const int64_t deadline = now_ns(CLOCK_MONOTONIC) + ns;
  bool timed_out = false;
  for (uint32_t seen; !timed_out && (seen = atomic_load(&owner)) != me;) {
    const int64_t left = deadline - now_ns(CLOCK_MONOTONIC);
    timed_out = left <= 0 || futex_wait_for(&owner, seen, left) == ETIMEDOUT;
  }
  pthread_mutex_lock(&guard);
#ifdef FIXED
  if (atomic_load(&owner) == me) timed_out = false;
#endif
  leave_line(me);
  pthread_mutex_unlock(&guard);
  return !timed_out;
}

static void* impatient(void* unused) {
  if (timed_lock(kImpatient, kPatience)) unlock();
  return unused;
}

static void* next(void* unused) {
  sleep_ns(kPatience / 2);
  if (!take_or_queue(kNext))
    for (uint32_t seen; (seen = atomic_load(&owner)) != kNext;) futex_wait(&owner, seen);
  unlock();
  return unused;
}

int main(void) {
  const pthread_t one = start(impatient, NULL), two = start(next, NULL);
  sleep_ns(kPatience);
  unlock();
  join(one);
  join(two);
  return 0;
}

// H16: a timed lock gives up and takes the mark of those who sleep with it.
//
// Seen in: musl and bionic mutexes in various forms (contended flag lost by a time-out); the shape is X08's
// Bug: a locker with a time limit marks the lock as contended and sleeps. When its time is over it puts
//   the mark back to "held", as it was when it came. Another one sleeps, too: its mark is gone.
// Oracle: a hang on a free lock.
// Fix: leave the mark; a wake-up too many is harmless.
#include "race.h"

static futex_word lock_word;  // 0: free; 1: held; 2: held, and somebody sleeps

static bool lock_for(int64_t ns) {
  uint32_t seen = 0;
  if (atomic_compare_exchange_strong(&lock_word, &seen, 1)) return true;
  while (atomic_exchange(&lock_word, 2) != 0) {
    const int result = ns ? futex_wait_for(&lock_word, 2, ns) : futex_wait(&lock_word, 2);
    if (result != ETIMEDOUT) continue;
#ifndef FIXED
    uint32_t marked = 2;
    atomic_compare_exchange_strong(&lock_word, &marked, 1);
#endif
    return false;
  }
  return true;
}

static void unlock(void) {
  if (atomic_exchange(&lock_word, 0) == 2) futex_wake(&lock_word, 1);
}

static void* patient(void* unused) {
  lock_for(0);
  unlock();
  return unused;
}

static void* hasty(void* unused) {
  if (lock_for(2 * NS_PER_MS)) unlock();
  return unused;
}

int main(void) {
  lock_for(0);
  const pthread_t one = start(patient, NULL), two = start(hasty, NULL);
  for (int i = 0; i < 5; ++i) sleep_ns(NS_PER_MS);
  unlock();
  join(one);
  join(two);
  return 0;
}

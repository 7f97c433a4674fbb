// A08: a balance is read under the lock, and written back under it, a little later.
//
// Seen: everywhere; the "account" of the benchmarks. No data race, and no detector of those finds it.
// Bug:
//       one                                other
//       locks, reads 0, unlocks
//                                          locks, reads 0, unlocks
//       locks, writes 1, unlocks
//                                          locks, writes 1, unlocks
//
// Oracle: a deposit is lost.
// Fix: one section.
#include "race.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int balance;

static void* deposit(void* unused) {
  pthread_mutex_lock(&lock);
  const int seen = balance;
#ifndef FIXED
  pthread_mutex_unlock(&lock);
  pthread_mutex_lock(&lock);
#endif
  balance = seen + 1;
  pthread_mutex_unlock(&lock);
  return unused;
}

int main(void) {
  const pthread_t one = start(deposit, NULL), other = start(deposit, NULL);
  join(one);
  join(other);
  check(balance == 2, "a deposit was lost");
  return 0;
}

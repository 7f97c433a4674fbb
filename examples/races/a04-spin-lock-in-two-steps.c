// A04: a spin lock that looks and then takes.
//
// Seen: home-made locks, and those translated from a language with one thread.
// Bug:
//       one                                other
//       sees it free
//                                          sees it free
//                                          takes it
//       takes it, too
//
// Oracle: two at a time inside.
// Fix: exchange, and look at what was there.
#include "race.h"

static atomic_int locked, inside;

static void spin_lock(void) {
#ifdef FIXED
  while (atomic_exchange(&locked, 1)) __builtin_ia32_pause();
#else
  while (atomic_load(&locked)) __builtin_ia32_pause();
  atomic_store(&locked, 1);
#endif
}

static void* worker(void* unused) {
  for (int round = 0; round < 2; ++round) {
    spin_lock();
    check(atomic_fetch_add(&inside, 1) == 0, "two at a time hold the lock");
    atomic_fetch_sub(&inside, 1);
    atomic_store(&locked, 0);
  }
  return unused;
}

int main(void) {
  const pthread_t one = start(worker, NULL), other = start(worker, NULL);
  join(one);
  join(other);
  return 0;
}

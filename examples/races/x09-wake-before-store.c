// X09: the unlock wakes first and frees the lock afterwards.
//
// Seen: home-made locks where the last two lines of unlock() are in the wrong order.
// Bug:
//       holder                             waiter
//       wakes one
//                                          looks: still taken; sleeps
//       word = 0
//
// Oracle: a hang at a lock that is free.
// Fix: store, then wake.
#include "race.h"

enum { kThreads = 2, kTurns = 2 };

static futex_word word;

static void lock(void) {
  while (atomic_exchange(&word, 1)) futex_wait(&word, 1);
}

static void unlock(void) {
#ifdef FIXED
  atomic_store(&word, 0);
  futex_wake(&word, 1);
#else
  futex_wake(&word, 1);
  atomic_store(&word, 0);
#endif
}

static void* user(void* unused) {
  for (int i = 0; i < kTurns; ++i) {
    lock();
    work();
    unlock();
  }
  return unused;
}

int main(void) {
  pthread_t threads[kThreads];
  for (int i = 0; i < kThreads; ++i) threads[i] = start(user, NULL);
  for (int i = 0; i < kThreads; ++i) join(threads[i]);
  return 0;
}

// X08: a mutex forgets that somebody else still sleeps.
//
// Seen: the futex mutex with states 0, 1, 2 (U. Drepper, "Futexes are tricky"), copied with this
//   error again and again.
// Bug: a thread that was woken takes the mutex with state 1, "taken, nobody waits". It cannot know
//   that; if another waiter sleeps, the next unlock does not wake it.
// Oracle: a hang at a mutex that is free.
// Fix: who has slept takes it with state 2, "taken, perhaps somebody waits".
#include "race.h"

enum { kFree, kTaken, kContended, kThreads = 3, kTurns = 2 };

static futex_word word;

static void lock(void) {
  uint32_t taken = kTaken;
  for (;;) {
    uint32_t state = kFree;
    if (atomic_compare_exchange_strong(&word, &state, taken)) return;
    if (state == kContended || atomic_compare_exchange_strong(&word, &state, kContended))
      futex_wait(&word, kContended);
#ifdef FIXED
    taken = kContended;
#endif
  }
}

static void unlock(void) {
  if (atomic_exchange(&word, kFree) == kContended) futex_wake(&word, 1);
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

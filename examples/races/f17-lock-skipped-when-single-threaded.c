// F17: a lock is taken for real, and the unlock is skipped because the last other thread has gone.
//
// Seen in: musl's internal locks, https://github.com/bminor/musl/commit/e803829e
// Bug: with one thread, locks are not needed, so lock and unlock both ask how many there are. The
//   other thread exits inside the critical section: the lock was taken, the unlock does nothing.
//   The next time that there are two threads, the lock is held by nobody, for ever.
// Oracle: a hang at a lock that nobody holds.
// Fix: the unlock goes by the lock word, not by the number of threads.
#include "race.h"

static atomic_int threads = 1;
static futex_word word;

static void lock(void) {
  if (atomic_load(&threads) == 1) return;
  while (atomic_exchange(&word, 1)) futex_wait(&word, 1);
}

static void unlock(void) {
#ifdef FIXED
  if (atomic_load(&word) == 0) return;
#else
  if (atomic_load(&threads) == 1) return;
#endif
  atomic_store(&word, 0);
  futex_wake(&word, 1);
}

static void* short_lived(void* unused) {
  work();
  atomic_fetch_sub(&threads, 1);  // the C library's exit of a thread
  return unused;
}

int main(void) {
  for (int i = 0; i < 2; ++i) {
    atomic_fetch_add(&threads, 1);
    const pthread_t other = start(short_lived, NULL);
    lock();
    work();
    unlock();
    join(other);
  }
  return 0;
}

// F39: the waiters of a barrier sleep on the count of those who wait.
//
// Seen in: mlibc, pthread_barrier_wait, in review, https://github.com/managarm/mlibc/pull/600
// Bug: the last to arrive sets the count back to 0 and wakes the others; they look whether it is 0.
//   A fast thread of the next round has made it 1 before they look: they take that for their own
//   round.
// Oracle: a hang: one thread is a round behind.
// Fix: sleep on a round number, which never takes an old value.
#include "race.h"

enum { kThreads = 2, kRounds = 4 };

static futex_word waiting;
static futex_word round_number;

static void barrier_wait(void) {
  const uint32_t round = atomic_load(&round_number);
  uint32_t count = atomic_fetch_add(&waiting, 1) + 1;
  if (count == kThreads) {
    atomic_store(&waiting, 0);
    atomic_store(&round_number, round + 1);
#ifdef FIXED
    futex_wake(&round_number, INT_MAX);
#else
    futex_wake(&waiting, INT_MAX);
#endif
    return;
  }
#ifdef FIXED
  while (atomic_load(&round_number) == round) futex_wait(&round_number, round);
#else
  do futex_wait(&waiting, count);
  while ((count = atomic_load(&waiting)) != 0);
#endif
}

static void* walker(void* unused) {
  for (int i = 0; i < kRounds; ++i) {
    work();
    barrier_wait();
  }
  return unused;
}

int main(void) {
  pthread_t threads[kThreads];
  for (int i = 0; i < kThreads; ++i) threads[i] = start(walker, NULL);
  for (int i = 0; i < kThreads; ++i) join(threads[i]);
  return 0;
}

// X14: a post looks at the semaphore after it has given the token away.
//
// Seen in: glibc sem_post, BZ 12674, https://github.com/bminor/glibc/commit/042e1521c7, and musl
//   https://github.com/bminor/musl/commit/88c4e720; the same with unlock and broadcast
// Bug: post() adds the token, then reads how many wait. Whoever gets the token may be the last user
//   of the semaphore and free it:
//
//       poster                             waiter
//       value = 1
//                                          takes it; munmap()
//       reads `waiters`
//
// Oracle: SIGSEGV (with malloc: a read of freed memory, and a wake for a stranger).
// Fix: "somebody waits" is a bit in the same word, so one atomic step does both; then only the
//   address is used, and a wake for an address where nobody waits does nothing.
#include <sys/mman.h>

#include "race.h"

enum { kRounds = 3, kWaiterBit = 1, kToken = 2 };

struct semaphore {
  futex_word word;  // kToken for each token; with FIXED, plus kWaiterBit
  atomic_uint waiters;
};

static void post(struct semaphore* semaphore) {
  const uint32_t before = atomic_fetch_add(&semaphore->word, kToken);
  sched_yield();
#ifdef FIXED
  const bool wake = before & kWaiterBit;
#else
  (void)before;
  const bool wake = atomic_load(&semaphore->waiters) > 0;
#endif
  if (wake) futex_wake(&semaphore->word, 1);
}

static void wait_for_token(struct semaphore* semaphore) {
  atomic_fetch_add(&semaphore->waiters, 1);
  for (;;) {
    uint32_t word = atomic_load(&semaphore->word);
    if (word >= kToken) {
      if (atomic_compare_exchange_strong(&semaphore->word, &word, word - kToken)) break;
      continue;
    }
#ifdef FIXED
    if (!atomic_compare_exchange_strong(&semaphore->word, &word, kWaiterBit)) continue;
    word = kWaiterBit;
#endif
    futex_wait(&semaphore->word, word);
  }
  atomic_fetch_sub(&semaphore->waiters, 1);
}

static void* poster(void* semaphore) {
  work();
  post(semaphore);
  return NULL;
}

int main(void) {
  for (int i = 0; i < kRounds; ++i) {
    struct semaphore* semaphore =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    need(semaphore != MAP_FAILED, "mmap");
    const pthread_t other = start(poster, semaphore);
    wait_for_token(semaphore);
    munmap(semaphore, 4096);
    join(other);
  }
  return 0;
}

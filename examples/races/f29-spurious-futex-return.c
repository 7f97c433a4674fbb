// F29: a futex wait that returns for no reason is taken for a wake-up.
//
// Seen in: liburcu, urcu-defer and workqueue,
//   https://git.lttng.org.?a=commit&h=feb9779741e503a39fadc838d1b26984bfd51f7e&p=urcu.git
// Bug: the worker says that it is going to sleep by counting the word from 0 to -1; the waker sets
//   it to 0. If the wait returns without that (a signal, or a late wake for what was at this
//   address before), the worker goes round and counts to -2, -3 and so on. No wait matches any
//   more: it spins.
// Oracle: the word is below -1.
// Fix: after any return, wait again as long as the word is -1.
#include "race.h"

enum { kJobs = 3 };

static futex_word word;  // 0, or -1 if the worker sleeps or is about to
static atomic_int queued;

static void wait_for_jobs(void) {
  const uint32_t sleeping = atomic_fetch_sub(&word, 1) - 1;
  check(sleeping == (uint32_t)-1,
        "the futex has been counted below -1: waiting has become spinning");
  if (atomic_load(&queued) > 0) {
    atomic_store(&word, 0);
    return;
  }
#ifdef FIXED
  while (atomic_load(&word) == (uint32_t)-1) futex_wait(&word, (uint32_t)-1);
#else
  futex_wait(&word, (uint32_t)-1);
#endif
}

static void wake_worker(void) {
  if (atomic_load(&word) != (uint32_t)-1) return;
  atomic_store(&word, 0);
  futex_wake(&word, 1);
}

static void* caller(void* unused) {
  for (int i = 0; i < kJobs; ++i) {
    work();
    atomic_fetch_add(&queued, 1);
    wake_worker();
  }
  return unused;
}

/// A semaphore was at this address before; its last post is late (see X14).
static void* late_post(void* unused) {
  futex_wake(&word, 1);
  return unused;
}

int main(void) {
  const pthread_t other = start(caller, NULL), stranger = start(late_post, NULL);
  for (int done = 0; done < kJobs;) {
    wait_for_jobs();
    done += atomic_exchange(&queued, 0);
  }
  join(other);
  join(stranger);
  return 0;
}

// F13: a signal handler runs after sem_post has cleared the waiters' bit and before it wakes them.
//
// Seen in: musl, sem_post, https://github.com/bminor/musl/commit/882aedf6
// Bug: sem_post adds one and clears the bit that says "somebody sleeps", then wakes. If a signal
//   handler runs in between, and takes long, nobody else wakes the sleeper: other posts see no bit.
//
//       first poster                       second poster
//       value = 1, bit cleared
//       (signal: the handler waits)
//                                          value = 2; there was no bit: no wake
//
// Oracle: a hang: two tokens are there, and the waiter sleeps. (The handler waits for the waiter.)
// Fix: also wake if the count of waiters, looked at before, was not 0.
#include <signal.h>

#include "race.h"

static const uint32_t kSleepers = 1u << 31;

static struct {
  futex_word value;  // tokens, and kSleepers
  atomic_int waiters;
} semaphore;

static futex_word done;  // the waiter has its token

static void semaphore_wait(void) {
  for (;;) {
    uint32_t value = atomic_load(&semaphore.value);
    if ((value & ~kSleepers) > 0) {
      if (atomic_compare_exchange_strong(&semaphore.value, &value, value - 1)) return;
      continue;
    }
    atomic_fetch_add(&semaphore.waiters, 1);
    if (atomic_compare_exchange_strong(&semaphore.value, &value, kSleepers))
      futex_wait(&semaphore.value, kSleepers);
    atomic_fetch_sub(&semaphore.waiters, 1);
  }
}

static void semaphore_post(void) {
  uint32_t value = atomic_load(&semaphore.value);
  const int waiters = atomic_load(&semaphore.waiters);
  while (!atomic_compare_exchange_strong(&semaphore.value, &value, (value & ~kSleepers) + 1))
    continue;
  work();  // in musl there is no call here: there the signal comes between two instructions
#ifdef FIXED
  if (value & kSleepers || waiters > 0) futex_wake(&semaphore.value, 1);
#else
  (void)waiters;
  if (value & kSleepers) futex_wake(&semaphore.value, 1);
#endif
}

static void on_signal(int signal) {
  (void)signal;
  await(&done, 1);
}

static void* waiter(void* unused) {
  semaphore_wait();
  announce(&done, 1);
  return unused;
}

static void* poster(void* unused) {
  semaphore_post();
  return unused;
}

int main(void) {
  const struct sigaction action = {.sa_handler = on_signal};
  sigaction(SIGUSR1, &action, NULL);
  const pthread_t sleeper = start(waiter, NULL);
  sleep_ns(NS_PER_MS);
  const pthread_t first = start(poster, NULL);
  work();
  pthread_kill(first, SIGUSR1);
  const pthread_t second = start(poster, NULL);
  join(sleeper);
  join(first);
  join(second);
  return 0;
}

// X01: a flag is tested, and then the thread goes to sleep without testing again.
//
// Seen: everywhere; it is the first bug of every home-made wait.
// Bug: the futex that is slept on is not the flag that was tested. What happens between the test
//   and the sleep is lost:
//
//       A                                  B
//       flag? no
//                                          flag = 1; wake: nobody sleeps
//       sleeps
//
// Oracle: a hang with the flag set.
// Fix: sleep on the flag itself: the kernel compares it with what was tested.
#include "race.h"

static futex_word flag;

#ifndef FIXED
static futex_word channel;  // never changes
#endif

static void* setter(void* unused) {
  atomic_store(&flag, 1);
#ifdef FIXED
  futex_wake(&flag, 1);
#else
  futex_wake(&channel, 1);
#endif
  return unused;
}

int main(void) {
  const pthread_t other = start(setter, NULL);
#ifdef FIXED
  while (atomic_load(&flag) == 0) futex_wait(&flag, 0);
#else
  while (atomic_load(&flag) == 0) futex_wait(&channel, 0);
#endif
  join(other);
  return 0;
}

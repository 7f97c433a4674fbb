// A05: Peterson's lock with its first two lines in the wrong order.
//
// Seen: textbooks, their translations, and compilers that may swap two stores.
// Bug:
//       one                                other
//       turn = other
//                                          turn = one
//                                          wants = true
//                                          sees that one does not want: goes in
//       wants = true
//       sees that it is its turn: goes in
//
// Oracle: two at a time inside.
// Fix: first say that one wants, then give way.
#include "race.h"

#define ROUNDS 5

static atomic_bool wants[2];
static atomic_int turn, inside;

static void enter(int self) {
  const int other = 1 - self;
#ifdef FIXED
  atomic_store(&wants[self], true);
  atomic_store(&turn, other);
#else
  atomic_store(&turn, other);
  atomic_store(&wants[self], true);
#endif
  while (atomic_load(&wants[other]) && atomic_load(&turn) == other) __builtin_ia32_pause();
}

static void* worker(void* self) {
  const int number = (int)(intptr_t)self;
  for (int round = 0; round < ROUNDS; ++round) {
    enter(number);
    check(atomic_fetch_add(&inside, 1) == 0, "two at a time are inside");
    atomic_fetch_sub(&inside, 1);
    atomic_store(&wants[number], false);
  }
  return NULL;
}

int main(void) {
  const pthread_t one = start(worker, (void*)0), other = start(worker, (void*)1);
  join(one);
  join(other);
  return 0;
}

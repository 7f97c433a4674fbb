// A01: two mutexes, taken in one order here and in the other there, and no system call in between.
//
// Seen: everywhere; the deadlock of the textbooks, where locking is one instruction.
// Bug:
//       one                                other
//       locks A
//                                          locks B
//       waits for B
//                                          waits for A
//
// Oracle: a hang.
// Fix: one order for all.
#include "race.h"

#define ROUNDS 4

static pthread_mutex_t a = PTHREAD_MUTEX_INITIALIZER, b = PTHREAD_MUTEX_INITIALIZER;
static int sum;

static void* transfer(void* back) {
  pthread_mutex_t *first = &a, *second = &b;
#ifndef FIXED
  if (back) first = &b, second = &a;
#endif
  for (int round = 0; round < ROUNDS; ++round) {
    pthread_mutex_lock(first);
    pthread_mutex_lock(second);
    ++sum;
    pthread_mutex_unlock(second);
    pthread_mutex_unlock(first);
  }
  return back;
}

int main(void) {
  const pthread_t there = start(transfer, NULL), back = start(transfer, &a);
  join(there);
  join(back);
  check(sum == 2 * ROUNDS, "a transfer was lost");
  return 0;
}

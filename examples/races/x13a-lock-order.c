// X13a: two mutexes, taken in one order here and in the other there.
//
// Seen: everywhere; the deadlock of the textbooks.
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

static pthread_mutex_t a = PTHREAD_MUTEX_INITIALIZER, b = PTHREAD_MUTEX_INITIALIZER;

static void* transfer(void* back) {
  pthread_mutex_t *first = &a, *second = &b;
#ifndef FIXED
  if (back) first = &b, second = &a;
#endif
  pthread_mutex_lock(first);
  work();
  pthread_mutex_lock(second);
  pthread_mutex_unlock(second);
  pthread_mutex_unlock(first);
  return NULL;
}

int main(void) {
  const pthread_t there = start(transfer, NULL), back = start(transfer, &a);
  join(there);
  join(back);
  return 0;
}

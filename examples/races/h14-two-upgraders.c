// H14: two readers want to become writers, and each waits for the other to leave.
//
// Seen in: parking_lot users, https://github.com/Amanieu/parking_lot/issues/101
// Bug: upgrade keeps the read lock and waits until it is the only one. Two of them wait for each other.
// Oracle: a hang.
// Fix: only one may hold the right to upgrade.
#include "race.h"

static futex_word readers;
#ifdef FIXED
static pthread_mutex_t upgradable = PTHREAD_MUTEX_INITIALIZER;
#endif
static atomic_int value;

static void leave(void) {
  atomic_fetch_sub(&readers, 1);
  futex_wake(&readers, INT_MAX);
}

static void upgrade(void) {
  for (uint32_t seen; (seen = atomic_load(&readers)) > 1;) futex_wait(&readers, seen);
}

static void* update(void* unused) {
#ifdef FIXED
  pthread_mutex_lock(&upgradable);
#endif
  atomic_fetch_add(&readers, 1);
  const int seen = atomic_load(&value);
  work();
  upgrade();
  atomic_store(&value, seen + 1);
  leave();
#ifdef FIXED
  pthread_mutex_unlock(&upgradable);
#endif
  return unused;
}

int main(void) {
  const pthread_t one = start(update, NULL), two = start(update, NULL);
  join(one);
  join(two);
  check(value == 2, "an update was lost");
  return 0;
}

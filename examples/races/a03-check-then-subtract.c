// A03: each step is atomic, both together are not: look whether something is left, then take one.
//
// Seen: tickets, quotas, reference counts that are revived.
// Bug:
//       one                                other
//       sees 1 left
//                                          sees 1 left
//                                          subtracts: 0
//       subtracts: -1
//
// Oracle: less than nothing is left.
// Fix: compare and exchange what was seen.
#include "race.h"

static atomic_int left = 1;

static bool take(void) {
  int seen = atomic_load(&left);
#ifdef FIXED
  while (seen > 0) {
    if (atomic_compare_exchange_weak(&left, &seen, seen - 1)) return true;
  }
  return false;
#else
  if (seen <= 0) return false;
  atomic_fetch_sub(&left, 1);
  return true;
#endif
}

static void* customer(void* unused) {
  take();
  return unused;
}

int main(void) {
  const pthread_t one = start(customer, NULL), other = start(customer, NULL);
  join(one);
  join(other);
  check(atomic_load(&left) >= 0, "one more was taken than there was");
  return 0;
}

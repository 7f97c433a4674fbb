// A07: a work-stealing deque (Chase and Lev) whose owner takes the last item without a contest.
//
// Seen in: many first versions; the re-check of `top` is what the paper is about.
// Bug:
//       owner                              thief
//                                          sees one item: top 0, bottom 1
//       bottom = 0; sees top 0:
//       the item is there, takes it
//                                          top = 1 by compare and exchange: has it, too
//
// Oracle: an item is taken twice.
// Fix: for the last item the owner contends for `top` as a thief does.
#include "race.h"

#define ITEMS 2

static atomic_int top, bottom;
static atomic_int taken[ITEMS];

static void note(int item) {
  check(atomic_fetch_add(&taken[item], 1) == 0, "an item was taken twice");
}

static bool take(void) {
  const int last = atomic_load(&bottom) - 1;
  atomic_store(&bottom, last);
  int first = atomic_load(&top);
  if (first < last) {
    note(last);
    return true;
  }
  if (first > last) {
    atomic_store(&bottom, last + 1);
    return false;
  }
#ifdef FIXED
  const bool mine = atomic_compare_exchange_strong(&top, &first, first + 1);
  atomic_store(&bottom, last + 1);
  if (mine) note(last);
  return mine;
#else
  note(last);
  return true;
#endif
}

static void* thief(void* unused) {
  for (int attempt = 0; attempt < ITEMS; ++attempt) {
    int first = atomic_load(&top);
    if (first >= atomic_load(&bottom)) break;
    if (atomic_compare_exchange_strong(&top, &first, first + 1)) note(first);
  }
  return unused;
}

static void* owner(void* unused) {
  while (take()) continue;
  return unused;
}

int main(void) {
  atomic_store(&bottom, ITEMS);
  const pthread_t works = start(owner, NULL), steals = start(thief, NULL);
  join(works);
  join(steals);
  return 0;
}

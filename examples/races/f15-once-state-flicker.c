// F15: a late caller of pthread_once makes the finished state disappear for a moment.
//
// Seen in: musl, https://github.com/bminor/musl/commit/0d0c2f40
// Bug: every caller swaps in "running" and then looks at what was there. If it was "done", it puts
//   that back. A second late caller sees "running" in between, and sleeps until the one who runs it
//   wakes it; but nobody runs it.
// Oracle: a hang: the initialisation is done, and somebody waits for it.
// Fix: compare and exchange from "new" to "running" only: "done" is never left.
#include "race.h"

enum { kNew, kRunning, kDone };

static futex_word control;
static atomic_int runs;

static uint32_t enter(void) {
#ifdef FIXED
  uint32_t state = kNew;
  atomic_compare_exchange_strong(&control, &state, kRunning);
  return state;
#else
  return atomic_exchange(&control, kRunning);
#endif
}

static void once(void (*initialise)(void)) {
  for (;;) {
    const uint32_t state = enter();
    sched_yield();  // y: between the swap and the store
    if (state == kNew) initialise();
    if (state != kRunning) {
#ifdef FIXED
      if (state == kNew) announce(&control, kDone);
#else
      atomic_store(&control, kDone);
      if (state == kNew) futex_wake(&control, INT_MAX);
#endif
      return;
    }
    futex_wait(&control, kRunning);
  }
}

static void initialise(void) { atomic_fetch_add(&runs, 1); }

static void* late_caller(void* unused) {
  once(initialise);
  return unused;
}

int main(void) {
  once(initialise);
  const pthread_t one = start(late_caller, NULL), two = start(late_caller, NULL);
  join(one);
  join(two);
  check(runs == 1, "the initialisation ran twice");
  return 0;
}

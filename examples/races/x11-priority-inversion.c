// X11: a thread of middle priority keeps one of high priority from its deadline.
//
// Seen: Mars Pathfinder, 1997, which reset itself again and again; and in every system with
//   priorities.
// Bug: low has a lock that high waits for. Middle is ready, needs no lock, and runs for a long
//   time, since nothing of higher priority is *ready*. So low cannot run, cannot unlock, and high
//   waits for middle.
// Oracle: high misses its deadline.
// Fix: priority inheritance: who has the lock runs with the priority of the first in line.
//
// detent gives all threads of a guest the same processor and the same priority, so the guest brings
// the scheduler that the bug needs: run() lets only the ready thread of highest priority pass.
#include "race.h"

enum { kLow, kMiddle, kHigh, kThreads, kDeadline = 20 };

static pthread_mutex_t cpu = PTHREAD_MUTEX_INITIALIZER;  // all of this is under it
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool ready[kThreads] = {[kLow] = true};
static int priority[kThreads] = {[kLow] = kLow, [kMiddle] = kMiddle, [kHigh] = kHigh};
static int ticks;
static int holder = -1;  // of the lock

static int highest_ready(void) {
  int best = -1;
  for (int i = 0; i < kThreads; ++i)
    if (ready[i] && (best < 0 || priority[i] > priority[best])) best = i;
  return best;
}

/// Uses the processor for some ticks. At tick 2 the two others become ready.
static void run(int me, int duration) {
  for (; duration > 0; --duration) {
    while (highest_ready() != me) pthread_cond_wait(&changed, &cpu);
    if (++ticks == 2) ready[kMiddle] = ready[kHigh] = true;
    pthread_cond_broadcast(&changed);
  }
}

static void lock(int me) {
  run(me, 1);
  while (holder >= 0) {
    ready[me] = false;
#ifdef FIXED
    if (priority[holder] < priority[me]) priority[holder] = priority[me];
#endif
    pthread_cond_broadcast(&changed);
    while (!ready[me]) pthread_cond_wait(&changed, &cpu);
  }
  holder = me;
}

static void unlock(int me) {
  holder = -1;
  priority[me] = me;
  ready[kHigh] = true;
  pthread_cond_broadcast(&changed);
}

static void* thread(void* number) {
  const int me = (int)(intptr_t)number;
  pthread_mutex_lock(&cpu);
  run(me, 1);
  if (me == kMiddle) {
    run(me, 100);
  } else {
    lock(me);
    run(me, 5);
    unlock(me);
  }
  if (me == kHigh) check(ticks <= kDeadline, "high priority missed its deadline: middle had run");
  ready[me] = false;
  pthread_cond_broadcast(&changed);
  pthread_mutex_unlock(&cpu);
  return NULL;
}

int main(void) {
  pthread_t threads[kThreads];
  for (intptr_t i = 0; i < kThreads; ++i) threads[i] = start(thread, (void*)i);
  for (int i = 0; i < kThreads; ++i) join(threads[i]);
  return 0;
}

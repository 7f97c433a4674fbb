// T27: a timer is put back into the list while it is still on the list of those about to run.
//
// Seen in: DPDK, rte_timer, http://git.droids-corp.org?a=object&h=a4b7a5a45cf5&p=dpdk.git
// Bug: rte_timer_manage() splits the expired timers off, marks only the first as running, and drops
//   the lock to run it. Another core resets the second one, which still counts as pending: it is
//   linked into the list again, through the same `next` pointer that the expired list uses.
// Oracle: a callback runs before its time (the loop has walked over into the pending list), or the
//   walk never ends.
// Fix: all expired timers are marked as running before the lock is dropped. A running timer cannot
//   be reset: the caller tries again.
#include "race.h"

enum state { kStopped, kPending, kRunning };

struct timer {
  struct timer* next;
  int64_t expire;  // in ticks
  enum state state;
  int runs;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct timer* pending;  // by expiry
static _Atomic int64_t tick;

static void unlink_timer(struct timer* timer) {
  for (struct timer** at = &pending; *at; at = &(*at)->next) {
    if (*at != timer) continue;
    *at = timer->next;
    return;
  }
}

static void link_timer(struct timer* timer) {
  struct timer** at = &pending;
  while (*at && (*at)->expire <= timer->expire) at = &(*at)->next;
  timer->next = *at;
  *at = timer;
}

/// Sets a timer; false if it is running.
static bool reset(struct timer* timer, int64_t expire) {
  pthread_mutex_lock(&lock);
  const bool possible = timer->state != kRunning;
  if (possible) {
    unlink_timer(timer);
    *timer = (struct timer){NULL, expire, kPending, timer->runs};
    link_timer(timer);
  }
  pthread_mutex_unlock(&lock);
  return possible;
}

static void run(struct timer* timer) {
  check(timer->expire <= tick, "a callback ran before its time");
  check(++timer->runs < 10, "the walk over the expired timers never ends");
  pthread_mutex_lock(&lock);
  timer->state = kStopped;
  pthread_mutex_unlock(&lock);
}

/// Takes the expired timers off the list and runs them.
static void manage(void) {
  pthread_mutex_lock(&lock);
  struct timer* expired = pending;
  struct timer** end = &expired;
  while (*end && (*end)->expire <= tick) {
#ifdef FIXED
    (*end)->state = kRunning;
#endif
    end = &(*end)->next;
  }
  pending = *end;
  *end = NULL;
  if (expired) expired->state = kRunning;
  pthread_mutex_unlock(&lock);
  sched_yield();  // y: after dropping the list lock
  for (struct timer* next; expired; expired = next) {
    next = expired->next;
    run(expired);
  }
}

static struct timer first, second, later;

static void* other_core(void* unused) {
  work();
  while (!reset(&second, 90)) sched_yield();
  return unused;
}

int main(void) {
  reset(&first, 10);
  reset(&second, 10);
  reset(&later, 100);
  const pthread_t other = start(other_core, NULL);
  work();
  atomic_store(&tick, 10);
  manage();
  join(other);
  atomic_store(&tick, 100);
  manage();
  check(later.runs == 1 && pending == NULL, "a timer was lost");
  return 0;
}

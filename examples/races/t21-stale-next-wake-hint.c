// T21: a thread skips the wake-up because of a hint from the round before.
//
// Seen in: tokio https://github.com/tokio-rs/tokio/pull/6683, and the same shape in
//   https://github.com/tokio-rs/tokio/issues/3190
// Bug: the driver looks through the timers, finds none, and lets go of the lock. `next_wake` still
//   holds the time of the timer that fired last. A thread registers a timer, compares it with that,
//   believes that the driver wakes up earlier anyway, and sends no event. The driver parks for
//   good.
//
//       driver                            other thread
//       lock; no timer; unlock
//                                         insert(t); t > next_wake: no event
//       next_wake = none; park
//
// Oracle: a hang: the driver sleeps without a time-out, the other thread waits for its timer.
// Fix: publish next_wake while the lock is held.
#include <poll.h>

#include "race.h"

enum { kNone = 0, kSleeps = 3 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int64_t timer = kNone;              // the one registered timer, under the lock
static _Atomic int64_t next_wake = kNone;  // when the driver wakes up by itself
static futex_word fired;                   // timers that have fired
static int unpark;

/// One turn of the driver: fires what is due, then waits for the next timer or for an event.
static void turn(void) {
  pthread_mutex_lock(&lock);
  const bool due = timer != kNone && timer <= now_ns(CLOCK_MONOTONIC);
  if (due) timer = kNone;
  const int64_t next = timer;
#ifdef FIXED
  atomic_store(&next_wake, next);
#endif
  pthread_mutex_unlock(&lock);
  if (due) announce(&fired, fired + 1);
  sched_yield();  // y: between unlock and publish
#ifndef FIXED
  atomic_store(&next_wake, next);
#endif
  if (due && fired == kSleeps) return;
  const int64_t left = next - now_ns(CLOCK_MONOTONIC);
  const struct timespec timeout = {left > 0 ? left / NS_PER_S : 0, left > 0 ? left % NS_PER_S : 0};
  ppoll(&(struct pollfd){unpark, POLLIN, 0}, 1, next == kNone ? NULL : &timeout, NULL);
  event_take(unpark);
}

static void* sleeper(void* unused) {
  for (uint32_t i = 1; i <= kSleeps; ++i) {
    const int64_t when = now_ns(CLOCK_MONOTONIC) + i * NS_PER_MS;
    pthread_mutex_lock(&lock);
    timer = when;
    pthread_mutex_unlock(&lock);
    const int64_t wakes_at = atomic_load(&next_wake);
    if (wakes_at == kNone || when < wakes_at) event_add(unpark, 1);
    await(&fired, i);
  }
  return unused;
}

int main(void) {
  unpark = eventfd(0, EFD_NONBLOCK);
  const pthread_t other = start(sleeper, NULL);
  while (fired < kSleeps) turn();
  join(other);
  return 0;
}

// H22: a waiter gives up, and takes the wake-up with it that was meant for another.
//
// Seen in: Asterinas, https://github.com/asterinas/asterinas/issues/1587, in user space: a condition variable
//   of tickets (the shape is F21's)
// Bug: a signal hands a ticket to the oldest waiter in the list. That one is about to time out and leaves
//   without looking at its ticket.
// Oracle: a hang: one signal, one item, and the other waiter sleeps.
// Fix: who has timed out and finds a ticket keeps it, and hands on what it does not use.
#include "race.h"

enum { kWaiters = 2 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct waiter {
  futex_word ticket;
  bool queued;
} waiters[kWaiters];
static int items, consumed;

static void signal_one(void) {
  for (int i = 0; i < kWaiters; ++i) {
    if (!waiters[i].queued) continue;
    waiters[i].queued = false;
    announce(&waiters[i].ticket, 1);
    return;
  }
}

/// With the mutex held; false after `ns`, if that is not 0.
static bool wait_as(int which, int64_t ns) {
  struct waiter* self = &waiters[which];
  atomic_store(&self->ticket, 0);
  self->queued = true;
  pthread_mutex_unlock(&mutex);
  int result = 0;
  while (atomic_load(&self->ticket) == 0 && result != ETIMEDOUT)
    result = ns ? futex_wait_for(&self->ticket, 0, ns) : futex_wait(&self->ticket, 0);
  pthread_mutex_lock(&mutex);
  self->queued = false;
#ifdef FIXED
  if (atomic_load(&self->ticket) != 0) return true;
#else
  if (result != ETIMEDOUT) return true;
#endif
  return false;
}

static void* patient(void* unused) {
  pthread_mutex_lock(&mutex);
  while (items == 0) wait_as(1, 0);
  --items;
  ++consumed;
  pthread_mutex_unlock(&mutex);
  return unused;
}

static void* hasty(void* unused) {
  pthread_mutex_lock(&mutex);
  const bool told = items > 0 || wait_as(0, NS_PER_MS);
  // It takes nothing: a wake-up that it got goes on to somebody else.
  if (told) signal_one();
  pthread_mutex_unlock(&mutex);
  return unused;
}

int main(void) {
  const pthread_t one = start(hasty, NULL), two = start(patient, NULL);
  sleep_ns(NS_PER_MS);
  pthread_mutex_lock(&mutex);
  ++items;
  signal_one();
  pthread_mutex_unlock(&mutex);
  join(one);
  join(two);
  check(consumed == 1, "one item, and not one consumer");
  return 0;
}

// E09: an event is pulsed, and is gone again before those who were woken look at it.
//
// Seen in: Wine, esync ("there is a gap between poll() and read()"), Figura to linux-kernel,
//   subject "[RFC PATCH v2 00/13] Add futex2 syscalls"
// Bug: PulseEvent() wakes all who wait and leaves the event unset. With an eventfd that is a write
//   and a read at once. The waiters return from poll(), and their read says EAGAIN; so they poll
//   again.
// Oracle: a hang: all waiters had been waiting, and none has got the pulse.
// Fix: none inside eventfd; a pulse must leave a trace. Here it is a counter of pulses, a futex.
#include <poll.h>

#include "race.h"

enum { kWaiters = 2 };

#ifdef FIXED
static futex_word pulses;
#else
static int event;
#endif
static futex_word waiting;   // waiters that are about to wait
static futex_word released;  // waiters that have got the pulse

static void wait_for_pulse(void) {
#ifdef FIXED
  const uint32_t before = atomic_load(&pulses);
  count_up(&waiting);
  while (atomic_load(&pulses) == before) futex_wait(&pulses, before);
#else
  count_up(&waiting);
  do poll(&(struct pollfd){event, POLLIN, 0}, 1, -1);
  while (event_take(event) == 0);
  event_add(event, 1);  // not ours alone: let the next one see it
#endif
}

static void pulse(void) {
#ifdef FIXED
  announce(&pulses, pulses + 1);
#else
  event_add(event, 1);
  event_take(event);
#endif
}

static void* waiter(void* unused) {
  wait_for_pulse();
  atomic_fetch_add(&released, 1);
  return unused;
}

int main(void) {
#ifndef FIXED
  event = eventfd(0, EFD_NONBLOCK);
#endif
  pthread_t threads[kWaiters];
  for (int i = 0; i < kWaiters; ++i) threads[i] = start(waiter, NULL);
  await(&waiting, kWaiters);
  sleep_ns(NS_PER_MS);  // for the waiters that have not got to poll() yet
  pulse();
  for (int i = 0; i < kWaiters; ++i) join(threads[i]);
  return 0;
}

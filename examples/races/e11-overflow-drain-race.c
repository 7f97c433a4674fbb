// E11: a full eventfd is emptied, and is full again before the second try.
//
// Seen in: netty, edge-triggered wake-ups, https://github.com/netty/netty/pull/9192 (in the review)
// Bug: a loop that uses its eventfd edge-triggered never reads it. When the counter is full, a
//   waker gets EAGAIN, reads the counter to 0 and writes again. Another waker may have filled it
//   meanwhile; the second EAGAIN is an exception. With a blocking descriptor the waker sleeps for
//   ever.
// Oracle: a wake-up fails.
// Fix: do it again until it works (or take EAGAIN for what it says: the event is signalled).
#include "race.h"

enum { kWakers = 2, kWakeups = 3 };

static const uint64_t kMax = UINT64_MAX - 1;  // the counter is full
static int event;

static bool wake_up(void) {
#ifdef FIXED
  while (!event_add(event, kMax)) event_take(event);
  return true;
#else
  if (event_add(event, kMax)) return true;
  event_take(event);
  return event_add(event, kMax);
#endif
}

static void* waker(void* unused) {
  for (int i = 0; i < kWakeups; ++i)
    check(wake_up(), "a wake-up failed: the counter is full again");
  return unused;
}

int main(void) {
  event = eventfd(0, EFD_NONBLOCK);
  pthread_t threads[kWakers];
  for (int i = 0; i < kWakers; ++i) threads[i] = start(waker, NULL);
  for (int i = 0; i < kWakers; ++i) join(threads[i]);
  return 0;
}

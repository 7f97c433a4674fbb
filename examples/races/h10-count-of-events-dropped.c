// H10: an eventfd is read after one event was taken, and its count was of two.
//
// Seen in: tinyalsa, plugin events, https://github.com/tinyalsa/tinyalsa/pull/254
// Bug: each event adds one to an eventfd; the reader takes one event from the queue, then reads the
//   eventfd, which sets it to 0. An event that came in between has lost its count.
// Oracle: a hang: an event in the queue, and nothing to read.
// Fix: EFD_SEMAPHORE: each read takes one.
#include <poll.h>

#include "race.h"

enum { kEvents = 4 };

static int ready;
static atomic_int queue;

static void* producer(void* unused) {
  for (int i = 0; i < kEvents; ++i) {
    atomic_fetch_add(&queue, 1);
    event_add(ready, 1);
  }
  return unused;
}

int main(void) {
#ifdef FIXED
  ready = eventfd(0, EFD_SEMAPHORE);
#else
  ready = eventfd(0, 0);
#endif
  const pthread_t thread = start(producer, NULL);
  for (int taken = 0; taken < kEvents; ++taken) {
    struct pollfd poll_for = {ready, POLLIN, 0};
    while (poll(&poll_for, 1, -1) != 1) continue;
    atomic_fetch_sub(&queue, 1);
    event_take(ready);
  }
  join(thread);
  return 0;
}

// E07: an item is in the queue before its token is in the semaphore.
//
// Seen in: IRATI, librina, https://github.com/IRATI/stack/pull/1056 and .../1058
// Bug: the producer adds an item, then one token to the eventfd. The consumer, awake for an earlier
//   item, finds the new one, and takes its token with a read that must not block: EAGAIN, and an
//   assertion. Turning the producer round is no better: then the consumer wakes up and finds
//   nothing.
// Oracle: the assertion: an item without a token.
// Fix: item, then token; and the consumer's read may wait for the token that is sure to come.
#include <poll.h>

#include "race.h"

enum { kItems = 4 };

static int tokens;
static atomic_int queue;

static void* producer(void* unused) {
  for (int i = 0; i < kItems; ++i) {
    atomic_fetch_add(&queue, 1);
    work();
    event_add(tokens, 1);
  }
  return unused;
}

/// Takes one item and its token; false if there is no item.
static bool take(void) {
  if (atomic_load(&queue) == 0) return false;
  atomic_fetch_sub(&queue, 1);
  check(event_take(tokens) == 1, "there is an item in the queue, but no token for it");
  return true;
}

int main(void) {
#ifdef FIXED
  tokens = eventfd(0, EFD_SEMAPHORE);
#else
  tokens = eventfd(0, EFD_SEMAPHORE | EFD_NONBLOCK);
#endif
  const pthread_t other = start(producer, NULL);
  for (int taken = 0; taken < kItems;) {
    poll(&(struct pollfd){tokens, POLLIN, 0}, 1, -1);
    while (take()) ++taken;
  }
  join(other);
  return 0;
}

// E03: a "pending" flag is cleared after the work that it stands for was looked at.
//
// Seen in: libuv, uv_async, https://github.com/libuv/libuv/commit/4ed237278
// Bug: the sender writes to the eventfd only if it is the one who sets the flag. The loop tests the
//   flag, takes what is there, and clears the flag. What is sent in between sets a flag that is set
//   already (no write), and then the flag is gone.
//
//       loop                               sender
//       pending? yes; n = all so far
//                                          sent++; pending was set: no write
//       pending = 0; handles n
//
// Oracle: a hang: something was sent, and the loop sleeps.
// Fix: test and clear in one exchange, on both sides, before looking.
#include "race.h"

enum { kSends = 4 };

static int event;
static atomic_int pending;
static atomic_int sent;

static void async_send(void) {
  atomic_fetch_add(&sent, 1);
  if (atomic_exchange(&pending, 1) == 0) event_add(event, 1);
}

/// What the loop does for each handle after a wake-up: the number of sends that it has seen.
static int async_receive(int handled) {
#ifdef FIXED
  if (!atomic_exchange(&pending, 0)) return handled;
  sched_yield();  // y: between test and clear
  return atomic_load(&sent);
#else
  if (!atomic_load(&pending)) return handled;
  const int seen = atomic_load(&sent);
  sched_yield();  // y: between test and clear
  atomic_store(&pending, 0);
  return seen;
#endif
}

static void* sender(void* unused) {
  for (int i = 0; i < kSends; ++i) {
    async_send();
    work();
  }
  return unused;
}

int main(void) {
  event = eventfd(0, 0);
  const pthread_t other = start(sender, NULL);
  for (int handled = 0; handled < kSends;) {
    event_take(event);
    handled = async_receive(handled);
  }
  join(other);
  return 0;
}

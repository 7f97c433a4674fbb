// P07: 0.9 ms to wait become 0 ms.
//
// Seen in: Ceph https://github.com/ceph/ceph/pull/60265, mio
//   https://github.com/tokio-rs/mio/pull/1615, asyncio
//   https://github.com/python/asyncio/issues/106, smol https://github.com/smol-rs/smol/pull/109
// Bug: epoll_wait takes milliseconds. The time that is left is rounded down, so that in the last
//   millisecond before each timer the loop spins.
// Oracle: more turns of the loop than any timer needs. (If system calls took no virtual time at
//   all, this would spin for ever.)
// Fix: round up, and keep 0 as 0.
#include <sys/epoll.h>

#include "race.h"

enum { kTimers = 3, kTurns = 20 };

static int timeout_ms(int64_t left) {
  if (left <= 0) return 0;
#ifdef FIXED
  left += NS_PER_MS - 1;
#endif
  return (int)(left / NS_PER_MS);
}

int main(void) {
  const int loop = epoll_create1(0);
  for (int i = 0; i < kTimers; ++i) {
    const int64_t deadline = now_ns(CLOCK_MONOTONIC) + 10 * NS_PER_MS + 900 * NS_PER_US;
    int turns = 0;
    for (int64_t left; (left = deadline - now_ns(CLOCK_MONOTONIC)) > 0;) {
      struct epoll_event event;
      epoll_wait(loop, &event, 1, timeout_ms(left));
      check(++turns < kTurns, "the loop spins in the last millisecond before a timer");
    }
  }
  return 0;
}

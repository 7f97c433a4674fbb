// H19: a deadline has passed, and what is left of it is given to poll.
//
// Seen in: many loops that compute "deadline - now" in milliseconds; the opposite error is P07's
// Bug: the rest is tested for 0, computed again (or the thread is held up between the test and the
//   computation), and is negative: poll takes that for "no limit".
// Oracle: a hang: the deadline has passed, and the loop sleeps.
// Fix: one reading of the clock, and never below 0.
#include <poll.h>

#include "race.h"

static int64_t left_ms(int64_t deadline) {
  const int64_t left = deadline - now_ns(CLOCK_MONOTONIC);
  return left <= 0 ? left / NS_PER_MS - 1 : (left + NS_PER_MS - 1) / NS_PER_MS;
}

static bool wait_for(int fd, int64_t deadline) {
  struct pollfd poll_for = {fd, POLLIN, 0};
#ifdef FIXED
  const int64_t left = left_ms(deadline);
  return poll(&poll_for, 1, left > 0 ? (int)left : 0) == 1;
#else
  if (left_ms(deadline) <= 0) return false;
  return poll(&poll_for, 1, (int)left_ms(deadline)) == 1;
#endif
}

int main(void) {
  const int fd = eventfd(0, 0);
  const int64_t deadline = now_ns(CLOCK_MONOTONIC) + 2 * NS_PER_MS;
  while (now_ns(CLOCK_MONOTONIC) < deadline) wait_for(fd, deadline);
  return 0;
}

// H02: the expiry of a timer that was stopped ends the one that was started after it.
//
// Seen in: Spring (AntelopeIO), https://github.com/AntelopeIO/spring/pull/1812
// Bug: the timer's state goes stopped -> running -> expired. A timer runs out, and the thread that serves
//   it is on its way; meanwhile it is stopped and started again for something else. The server finds
//   "running" and calls that expired: the state does not say which arm it belongs to.
//
//       server                              user
//       read(timer): expired
//                                           stop: running -> stopped
//                                           start: stopped -> running, in an hour
//       running -> expired
//
// Oracle: an arm of an hour has run out at once.
// Fix: the state has a generation.
#include <poll.h>

#include "race.h"

enum { kStopped, kRunning, kExpired, kStates };

static futex_word state;  // kStates * generation + one of the above
static futex_word leave;
static int timer;

static uint32_t begin(uint32_t generation, int64_t ns) {
  atomic_store(&state, kStates * generation + kRunning);
  timer_set(timer, 0, ns, 0);
  return generation;
}

static void stop(uint32_t generation) {
  uint32_t running = kStates * generation + kRunning;
  if (atomic_compare_exchange_strong(&state, &running, kStates * generation + kStopped))
    timer_set(timer, 0, 0, 0);
}

static void* server(void* unused) {
  struct pollfd poll_for = {timer, POLLIN, 0};
  while (!atomic_load(&leave)) {
    uint32_t seen = atomic_load(&state);
    if (poll(&poll_for, 1, 5) != 1) continue;
    if (event_take(timer) == 0) continue;
    work();
#ifndef FIXED
    seen = atomic_load(&state);
#endif
    if (seen % kStates == kRunning)
      atomic_compare_exchange_strong(&state, &seen, seen - kRunning + kExpired);
  }
  return unused;
}

int main(void) {
  timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  const pthread_t thread = start(server, NULL);
  for (uint32_t i = 1; i < 6; i += 2) {
    const uint32_t first = begin(i, NS_PER_MS);
    sleep_ns(NS_PER_MS);
    stop(first);
    begin(i + 1, 3600 * NS_PER_S);
    sleep_ns(20 * NS_PER_MS);
    check(atomic_load(&state) % kStates == kRunning, "an hour was over at once");
    stop(i + 1);
  }
  atomic_store(&leave, 1);
  join(thread);
  return 0;
}

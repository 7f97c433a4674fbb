// T03: a tick is taken although the timer has not expired any more.
//
// Seen in: PipeWire, node-driver,
//   https://forgejo.youthlic.social/mirrors/pipewire/commits/commit/e3b358ac8b15a373a16f0d19de44661aa073937b/spa/plugins/support/node-driver.c
// Bug: the timer expires, and the data loop is woken. Before it reads, the control thread sets the
//   next target: that takes the expiry back. The data loop's read says EAGAIN, it logs an error and
//   runs a cycle all the same.
// Oracle: a cycle of the graph starts before its target: the position runs ahead of time.
// Fix: no expiry, no cycle: wait for the new target.
#include <poll.h>

#include "race.h"

enum { kMoves = 5 };

static const int64_t kPeriod = 10 * NS_PER_MS;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;  // target and the setting of the timer
static int timer;
static int64_t target;
static bool settled;  // no more moves of the target

static void set_target(int64_t when) {
  target = when;
  timer_set(timer, TFD_TIMER_ABSTIME, when, 0);
}

/// The control thread: another clock takes over, again and again, just when a cycle is due.
static void* control(void* unused) {
  for (int i = 1; i <= kMoves; ++i) {
    sleep_until(target);  // only this thread changes it after the start
    pthread_mutex_lock(&lock);
    set_target(target + kPeriod);
    settled = i == kMoves;
    pthread_mutex_unlock(&lock);
  }
  return unused;
}

/// One wake-up of the data loop; true after the last cycle.
static bool on_timeout(void) {
  pthread_mutex_lock(&lock);
  bool expired = event_take(timer) != 0;
#ifndef FIXED
  expired = true;  // "could not read the timer", says the log
#endif
  if (expired) check(now_ns(CLOCK_MONOTONIC) >= target, "a cycle ran before its time");
  const bool last = expired && settled;
  pthread_mutex_unlock(&lock);
  return last;
}

int main(void) {
  timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  set_target(now_ns(CLOCK_MONOTONIC) + kPeriod);
  const pthread_t controller = start(control, NULL);
  for (bool last = false; !last; last = on_timeout())
    poll(&(struct pollfd){timer, POLLIN, 0}, 1, -1);
  join(controller);
  return 0;
}

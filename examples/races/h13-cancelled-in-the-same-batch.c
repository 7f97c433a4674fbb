// H13: a timer that another timer of the same batch has cancelled is called.
//
// Seen in: muduo, TimerQueue, https://github.com/chenshuo/muduo/pull/682
// Bug: all expired timers are taken out of the queue first and called then. If one of them cancels another,
//   that one is not in the queue any more, so nothing is cancelled.
// Oracle: a callback after its cancel.
// Fix: note what is cancelled meanwhile, and skip it.
#include "race.h"

enum { kTimers = 2 };

static struct {
  int64_t when;
  bool queued, cancelled;
} timers[kTimers];
static int fd;

static void cancel(int which) {
  timers[which].queued = false;
  timers[which].cancelled = true;
}

static void call(int which) {
#ifdef FIXED
  if (timers[which].cancelled) return;
#endif
  check(!timers[which].cancelled, "called after its cancel");
  cancel(1 - which);
}

static void* other_work(void* unused) {
  for (int i = 0; i < 3; ++i) work();
  return unused;
}

int main(void) {
  fd = timerfd_create(CLOCK_MONOTONIC, 0);
  const int64_t base = now_ns(CLOCK_MONOTONIC) + NS_PER_MS;
  for (int i = 0; i < kTimers; ++i) {
    timers[i].when = base + i * 2 * NS_PER_US;
    timers[i].queued = true;
  }
  timer_set(fd, TFD_TIMER_ABSTIME, base, 0);
  const pthread_t thread = start(other_work, NULL);
  event_take(fd);
  const int64_t now = now_ns(CLOCK_MONOTONIC);
  bool expired[kTimers];
  for (int i = 0; i < kTimers; ++i) expired[i] = timers[i].when <= now && timers[i].queued;
  for (int i = 0; i < kTimers; ++i) {
    if (expired[i]) call(i);
  }
  join(thread);
  return 0;
}

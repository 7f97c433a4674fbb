// T09: a cancel that comes too late switches off somebody else's timer.
//
// Seen in: libHttpClient, TaskQueue, https://github.com/microsoft/libHttpClient/issues/945
// Bug: the dispatcher takes the last delayed item and notes that no timer is needed. Before it gets
//   to cancel, another thread submits an item, sees "no timer" and arms one. Then the cancel
//   arrives. `due` says that a timer is armed, so no later submitter arms one either.
//
//       dispatcher                        submitter
//       last item out, due = none
//                                         item in, due = d, arm(d)
//       disarm
//
// Oracle: a hang: the dispatcher waits for a timer which is not armed.
// Fix: no cancel on that path. A timer that fires for nothing does no harm.
#include "race.h"

enum { kItems = 4, kNone = 0 };

static const int64_t kDelay = 10 * NS_PER_MS;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int64_t queue[kItems];  // when each item is due; all of the queue is under the lock
static int queued, taken;
static int64_t due = kNone;  // what the timer is armed for
static int timer;

static void submit(void) {
  pthread_mutex_lock(&lock);
  const int64_t when = now_ns(CLOCK_MONOTONIC) + kDelay;
  queue[queued++] = when;
  const bool arm = due == kNone;
  if (arm) due = when;
  pthread_mutex_unlock(&lock);
  if (arm) timer_set(timer, TFD_TIMER_ABSTIME, when, 0);
}

static void dispatch(void) {
  pthread_mutex_lock(&lock);
  while (taken < queued && queue[taken] <= now_ns(CLOCK_MONOTONIC)) ++taken;
  due = taken < queued ? queue[taken] : kNone;
  const int64_t next = due;
  pthread_mutex_unlock(&lock);
#ifdef FIXED
  if (next == kNone) return;
#endif
  timer_set(timer, TFD_TIMER_ABSTIME, next, 0);  // next == kNone disarms
}

/// Submits the next item when the one before is due.
static void* submitter(void* unused) {
  for (int i = 0; i < kItems; ++i) {
    submit();
    sleep_ns(kDelay);
  }
  return unused;
}

int main(void) {
  timer = timerfd_create(CLOCK_MONOTONIC, 0);
  const pthread_t other = start(submitter, NULL);
  while (taken < kItems) {
    event_take(timer);
    dispatch();
  }
  join(other);
  return 0;
}

// E13: the time to sleep is decided before others can see that somebody is going to sleep.
//
// Seen in: heph, https://github.com/Thomasdezeeuw/heph/pull/437 (with this time line)
// Bug:
//       loop                               other thread
//       nothing to do: no time-out
//                                          adds a process; nobody polls: no event
//       polling = true
//       epoll_wait(-1)
//
// Oracle: a hang with a process that is ready to run.
// Fix: say "polling" first, then look for work, then decide.
#include <poll.h>

#include "race.h"

enum { kProcesses = 4 };

static int event;
static atomic_bool polling;
static atomic_int ready;

static void add_process(void) {
  atomic_fetch_add(&ready, 1);
  if (atomic_load(&polling)) event_add(event, 1);
}

static int determine_timeout(void) { return atomic_load(&ready) > 0 ? 0 : -1; }

static int run_processes(void) { return atomic_exchange(&ready, 0); }

static void wait_for_events(void) {
#ifdef FIXED
  atomic_store(&polling, true);
  sched_yield();  // y: between the two
  const int timeout = determine_timeout();
#else
  const int timeout = determine_timeout();
  sched_yield();  // y: between the two
  atomic_store(&polling, true);
#endif
  poll(&(struct pollfd){event, POLLIN, 0}, 1, timeout);
  atomic_store(&polling, false);
  event_take(event);
}

static void* other_thread(void* unused) {
  for (int i = 0; i < kProcesses; ++i) {
    add_process();
    work();
  }
  return unused;
}

int main(void) {
  event = eventfd(0, EFD_NONBLOCK);
  const pthread_t other = start(other_thread, NULL);
  for (int done = 0; done < kProcesses;) {
    wait_for_events();
    done += run_processes();
  }
  join(other);
  return 0;
}

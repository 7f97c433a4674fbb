// E01: a wake-up is written to an eventfd that has been closed meanwhile.
//
// Seen in: netty, EpollEventLoop, https://github.com/netty/netty/issues/9362
// Bug: who wins the flag writes to the loop's eventfd. Before it does, the loop times out, sees
//   that it shall end, and closes the eventfd. The next file that anybody opens gets that number.
//
//       submitter                       loop
//       quit = true; wins the flag
//                                       times out; close(event)
//                                       open(...) = the same number
//       write(event)
//
// Oracle: eight bytes too many in a file that has nothing to do with the loop.
// Fix: a loop that ends while somebody holds the flag waits for that write before it closes.
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "race.h"

enum { kWaiting, kAwake };

static int event;
static atomic_int state = kWaiting;
static atomic_bool quit;
static int64_t deadline;  // of the loop's last scheduled task
static int file;          // of some other part of the program

static void wake_up(void) {
  if (atomic_exchange(&state, kAwake) == kWaiting) event_add(event, 1);
}

/// Waits for a wake-up until the deadline; false if none came.
static bool wait_for_wakeup(void) {
  const int64_t left = deadline - now_ns(CLOCK_MONOTONIC);
  const struct timespec timeout = {0, left > 0 ? left : 0};
  return ppoll(&(struct pollfd){event, POLLIN, 0}, 1, &timeout, NULL) == 1;
}

static void* loop(void* unused) {
  bool woken;
  while (!(woken = wait_for_wakeup()) && !atomic_load(&quit)) sched_yield();
#ifdef FIXED
  const bool write_is_coming = !woken && atomic_exchange(&state, kAwake) == kAwake;
  woken = woken || write_is_coming;
#endif
  if (woken) event_take(event);
  close(event);
  file = memfd_create("file", 0);
  return unused;
}

int main(void) {
  event = eventfd(0, 0);
  deadline = now_ns(CLOCK_MONOTONIC) + 10 * NS_PER_MS;
  const pthread_t thread = start(loop, NULL);
  sleep_until(deadline);
  work();
  atomic_store(&quit, true);
  wake_up();
  join(thread);
  struct stat status;
  check(fstat(file, &status) == 0 && status.st_size == 0,
        "a wake-up was written to a foreign file");
  return 0;
}

// E05: the queue is emptied first, and the wake-up is taken back afterwards.
//
// Seen in: dbmail, imapd (a session hung until other traffic came),
//   https://github.com/dbmail/dbmail/pull/559
// Bug: the consumer handles all jobs, then reads the descriptor that woke it. A job that arrives
//   between the two loses its wake-up.
//
//       consumer                           worker
//       takes all jobs
//                                          adds a job; write(event)
//       read(event)
//
// Oracle: a hang: a job is queued, and no event is pending.
// Fix: read first, then empty the queue.
#include <poll.h>

#include "race.h"

enum { kJobs = 4 };

static int event;
static atomic_int queued;

static void* worker(void* unused) {
  for (int i = 0; i < kJobs; ++i) {
    atomic_fetch_add(&queued, 1);
    event_add(event, 1);
  }
  return unused;
}

static int take_and_handle_all(void) {
  const int jobs = atomic_exchange(&queued, 0);
  for (int i = 0; i < jobs; ++i) work();
  return jobs;
}

int main(void) {
  event = eventfd(0, EFD_NONBLOCK);
  const pthread_t other = start(worker, NULL);
  for (int handled = 0; handled < kJobs;) {
    poll(&(struct pollfd){event, POLLIN, 0}, 1, -1);
#ifdef FIXED
    event_take(event);
    handled += take_and_handle_all();
#else
    handled += take_and_handle_all();
    event_take(event);
#endif
  }
  join(other);
  return 0;
}

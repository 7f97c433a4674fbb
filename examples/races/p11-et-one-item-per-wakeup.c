// P11: one item is read for each edge.
//
// Seen in: Mooncake, RDMA completions, https://github.com/kvcache-ai/Mooncake/pull/3236
// Bug: a descriptor is watched edge-triggered, and its handler reads one record each time it is
//   called. Records that arrive in one burst make one edge, so the handler stays behind from then
//   on; what it has not read comes with the next record, if one ever comes.
// Oracle: a hang: records are there, and no edge will come.
// Fix: read until EAGAIN.
#include <sys/epoll.h>

#include "race.h"

enum { kRecords = 5 };

static int records;  // an eventfd as a semaphore: one read takes one record

static void* device(void* unused) {
  for (int i = 0; i < kRecords; ++i) event_add(records, 1);
  return unused;
}

/// How many records one call of the handler has read.
static int on_edge(void) {
  int count = 0;
#ifdef FIXED
  while (event_take(records)) ++count;
#else
  if (event_take(records)) ++count;
#endif
  return count;
}

int main(void) {
  records = eventfd(0, EFD_SEMAPHORE | EFD_NONBLOCK);
  const int loop = epoll_create1(0);
  epoll_ctl(loop, EPOLL_CTL_ADD, records,
            &(struct epoll_event){EPOLLIN | EPOLLET, {.fd = records}});
  const pthread_t other = start(device, NULL);
  for (int handled = 0; handled < kRecords;) {
    struct epoll_event event;
    if (epoll_wait(loop, &event, 1, -1) == 1) handled += on_edge();
  }
  join(other);
  return 0;
}

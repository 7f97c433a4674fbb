// T15: an event is dispatched whose source an earlier handler of the same batch has cancelled.
//
// Seen in: cio https://github.com/gatzka/cio/pull/3 (libwayland documents the same limit)
// Bug: the reply and the time-out of one request come together, so one epoll_wait returns both. The
//   first handler finishes the request and cancels the other source. The loop goes on to entry 2.
// Oracle: a request is finished twice.
// Fix: a removed source is also taken out of the rest of the current batch.
#include <sys/epoll.h>

#include "race.h"

enum { kRequests = 3, kReply = 0, kTimeout = 1, kSources = 2 };

static const int64_t kPatience = 50 * NS_PER_MS;
static int loop, source[kSources];
static futex_word asked;          // requests sent so far
static _Atomic int64_t deadline;  // of the current one
static bool finished;             // the current one
static struct epoll_event batch[kSources];
static int events;  // entries of the batch

static void forget(int which) {
  epoll_ctl(loop, EPOLL_CTL_DEL, source[which], NULL);
#ifdef FIXED
  for (int i = 0; i < events; ++i)
    if (batch[i].data.u32 == (uint32_t)which) batch[i].events = 0;
#endif
}

/// Handler of either source: the request is over, with or without an answer.
static void finish(void) {
  check(!finished, "one request was finished twice");
  finished = true;
  forget(kReply);
  forget(kTimeout);
}

/// The other end: answers each request at the last moment.
static void* server(void* unused) {
  for (uint32_t i = 1; i <= kRequests; ++i) {
    await(&asked, i);
    sleep_until(deadline);
    event_add(source[kReply], 1);
  }
  return unused;
}

static void send_request(void) {
  finished = false;
  event_take(source[kReply]);
  deadline = now_ns(CLOCK_MONOTONIC) + kPatience;
  timer_set(source[kTimeout], TFD_TIMER_ABSTIME, deadline, 0);
  for (uint32_t i = 0; i < kSources; ++i)
    epoll_ctl(loop, EPOLL_CTL_ADD, source[i], &(struct epoll_event){EPOLLIN, {.u32 = i}});
  announce(&asked, asked + 1);
}

int main(void) {
  loop = epoll_create1(0);
  source[kReply] = eventfd(0, EFD_NONBLOCK);
  source[kTimeout] = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  const pthread_t other = start(server, NULL);
  for (int i = 0; i < kRequests; ++i) {
    send_request();
    while (!finished) {
      events = epoll_wait(loop, batch, kSources, -1);
      for (int j = 0; j < events; ++j)
        if (batch[j].events) finish();
    }
  }
  join(other);
  return 0;
}

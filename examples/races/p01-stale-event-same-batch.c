// P01: an event of a closed connection is given to the new one with the same number.
//
// Seen in: libuv https://github.com/libuv/libuv/commit/bbccafbe7, libre
//   https://github.com/creytiv/re/pull/266; the reason for nginx's "instance" bit
// Bug: epoll_wait returns {A, B}. A's handler closes B and accepts a new connection, which gets B's
//   number. The loop goes on to entry 2, looks the number up, and calls the new connection's
//   handler.
// Oracle: a handler is called, and there is nothing to read.
// Fix: a generation beside the number in epoll_event.data; an entry of an old generation is
//   dropped.
#include <sys/epoll.h>

#include "race.h"

enum { kMaxFds = 64, kRounds = 3 };

static int loop;
static uint32_t generation[kMaxFds];

static int open_connection(void) {
  const int fd = eventfd(0, EFD_NONBLOCK);
  need(fd >= 0 && fd < kMaxFds, "eventfd");
  const uint64_t data = (uint64_t)++generation[fd] << 32 | (uint32_t)fd;
  epoll_ctl(loop, EPOLL_CTL_ADD, fd, &(struct epoll_event){EPOLLIN, {.u64 = data}});
  return fd;
}

static bool is_stale(uint64_t data) {
#ifdef FIXED
  return generation[(uint32_t)data] != data >> 32;
#else
  return false;
#endif
}

struct pair {
  int control, peer;
};

/// The other end of both connections: says something on each.
static void* remote(void* argument) {
  const struct pair* pair = argument;
  event_add(pair->control, 1);
  event_add(pair->peer, 1);
  return NULL;
}

/// One round: a word on the control connection replaces the peer.
static void round_of(struct pair* pair) {
  const pthread_t other = start(remote, &(struct pair){dup(pair->control), dup(pair->peer)});
  for (bool replaced = false; !replaced;) {
    struct epoll_event batch[4];
    const int events = epoll_wait(loop, batch, 4, -1);
    for (int i = 0; i < events; ++i) {
      if (is_stale(batch[i].data.u64)) continue;
      const int fd = (int)(uint32_t)batch[i].data.u64;
      check(event_take(fd) > 0, "a connection was told of data that came for the one before it");
      if (fd != pair->control) continue;
      epoll_ctl(loop, EPOLL_CTL_DEL, pair->peer, NULL);
      close(pair->peer);
      pair->peer = open_connection();
      replaced = true;
    }
  }
  join(other);
}

int main(void) {
  loop = epoll_create1(0);
  struct pair pair = {open_connection(), open_connection()};
  for (int i = 0; i < kRounds; ++i) round_of(&pair);
  return 0;
}

// P13: a nested turn of the loop frees a source that the outer turn is still going to visit.
//
// Seen in: PipeWire, spa loop (#2114, #2147),
//   https://forgejo.youthlic.social/mirrors/pipewire/src/commit/7647ea7c83627c02f5ccb88295cee5f795156b1a/spa/plugins/support
// Bug: the outer batch is {A, B}. A's handler destroys B, which is put on a list to be freed at the
//   end of the turn, and then runs the loop from inside (a modal dialog, a synchronous call). The
//   end of the inner turn frees B. The outer turn goes on to entry 2.
// Oracle: a source is used after it was freed. (Freed memory is kept here, and marked.)
// Fix: a source that is freed is taken out of every batch that is being dispatched.
#include <sys/epoll.h>

#include "race.h"

enum { kBatch = 4 };

struct source {
  int fd;
  bool freed;
  void (*handler)(struct source*);
};

/// One turn that is being dispatched; turns nest.
struct turn {
  struct turn* outer;
  struct epoll_event batch[kBatch];
  int events;
};

static int loop;
static struct turn* turns;
static struct source* condemned;  // to be freed at the end of a turn
static bool dialog_done;

static void free_condemned(void) {
  if (!condemned) return;
#ifdef FIXED
  for (struct turn* turn = turns; turn; turn = turn->outer)
    for (int i = 0; i < turn->events; ++i)
      if (turn->batch[i].data.ptr == condemned) turn->batch[i].data.ptr = NULL;
#endif
  condemned->freed = true;
  condemned = NULL;
}

static void iterate(int timeout_ms) {
  struct turn turn = {.outer = turns};
  turn.events = epoll_wait(loop, turn.batch, kBatch, timeout_ms);
  turns = &turn;
  for (int i = 0; i < turn.events; ++i) {
    struct source* source = turn.batch[i].data.ptr;
    if (!source || source == condemned) continue;
    check(!source->freed, "a source was dispatched after it was freed");
    source->handler(source);
  }
  turns = turn.outer;
  free_condemned();
}

static struct source window, connection;

/// The user closes the window: its connection goes, and a dialog runs until it is confirmed.
static void on_window(struct source* source) {
  event_take(source->fd);
  epoll_ctl(loop, EPOLL_CTL_DEL, connection.fd, NULL);
  condemned = &connection;
  iterate(0);
  dialog_done = true;
}

static void on_connection(struct source* source) { event_take(source->fd); }

static void add(struct source* source, void (*handler)(struct source*)) {
  *source = (struct source){eventfd(0, EFD_NONBLOCK), false, handler};
  epoll_ctl(loop, EPOLL_CTL_ADD, source->fd, &(struct epoll_event){EPOLLIN, {.ptr = source}});
}

static void* world(void* unused) {
  event_add(window.fd, 1);
  event_add(connection.fd, 1);
  return unused;
}

int main(void) {
  loop = epoll_create1(0);
  add(&window, on_window);
  add(&connection, on_connection);
  const pthread_t other = start(world, NULL);
  while (!dialog_done) iterate(-1);
  join(other);
  return 0;
}

// H04: an event object is a flag and a byte in a pipe, and the two part.
//
// Seen in: eventfd (Python), https://github.com/palaviv/eventfd/issues/2
// Bug: set() writes the byte if the flag was not set, and sets the flag. Two threads do that at once: two
//   bytes. clear() takes one of them; the flag says "not set", and the descriptor is readable.
// Oracle: after clear() a wait returns at once.
// Fix: the flag is exchanged, and who changed it writes.
#include <fcntl.h>
#include <poll.h>

#include "race.h"

static int ends[2];
static atomic_bool flag;

static void set(void) {
#ifdef FIXED
  if (atomic_exchange(&flag, true)) return;
#else
  if (atomic_load(&flag)) return;
  work();  // a line of Python more or less
  atomic_store(&flag, true);
#endif
  need(write(ends[1], "", 1) == 1, "write");
}

static void clear(void) {
  char byte;
  if (atomic_exchange(&flag, false)) need(read(ends[0], &byte, 1) == 1, "read");
}

static bool is_set(void) {
  struct pollfd poll_for = {ends[0], POLLIN, 0};
  return poll(&poll_for, 1, 0) == 1;
}

static void* setter(void* unused) {
  set();
  return unused;
}

int main(void) {
  need(pipe(ends) == 0, "pipe");
  for (int round = 0; round < 2; ++round) {
    const pthread_t one = start(setter, NULL), two = start(setter, NULL);
    join(one);
    join(two);
    clear();
    check(!is_set(), "set after it was cleared");
  }
  return 0;
}

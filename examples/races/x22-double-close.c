// X22: two threads close one descriptor, and the second close hits somebody else's.
//
// Seen: reader and writer of one connection, each with its own error path; E01 is a relative.
// Bug: close() by number, twice. Between the two, a third thread opens something and gets that
//   number.
// Oracle: a descriptor that was just opened is bad.
// Fix: one owner: who exchanges the number for -1 is the one who closes.
#include "race.h"

static atomic_int connection;

static void close_connection(void) {
#ifdef FIXED
  const int fd = atomic_exchange(&connection, -1);
#else
  const int fd = atomic_load(&connection);
#endif
  if (fd >= 0) close(fd);
}

static void* other_direction(void* unused) {
  close_connection();
  return unused;
}

static void* bystander(void* unused) {
  const int mine = eventfd(0, 0);
  work();
  check(event_add(mine, 1), "a descriptor was closed by somebody whom it does not belong to");
  close(mine);
  return unused;
}

int main(void) {
  connection = eventfd(0, 0);
  const pthread_t writer = start(other_direction, NULL), third = start(bystander, NULL);
  work();
  close_connection();
  join(writer);
  join(third);
  return 0;
}

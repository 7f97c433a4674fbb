// H08: a descriptor is read, closed by somebody else, and written to under its old number.
//
// Seen in: NuProcess, https://github.com/brettwooldridge/NuProcess/pull/48
// Bug: the loop's thread reads the number of a child's stdin and is about to write. The user closes it,
//   and a third descriptor gets its number: it gets the bytes.
// Oracle: a byte in a pipe that nobody writes to.
// Fix: a count of those who use the descriptor; the last one closes it.
#include <fcntl.h>
#include <poll.h>

#include "race.h"

static atomic_int stdin_fd = -1;
#ifdef FIXED
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
#endif

static void* loop(void* unused) {
#ifdef FIXED
  pthread_mutex_lock(&mutex);
#endif
  const int fd = atomic_load(&stdin_fd);
  if (fd >= 0) (void)!write(fd, "x", 1);
#ifdef FIXED
  pthread_mutex_unlock(&mutex);
#endif
  return unused;
}

static void close_stdin(void) {
#ifdef FIXED
  pthread_mutex_lock(&mutex);
#endif
  const int fd = atomic_exchange(&stdin_fd, -1);
  if (fd >= 0) close(fd);
#ifdef FIXED
  pthread_mutex_unlock(&mutex);
#endif
}

int main(void) {
  int child[2], other[2];
  need(pipe(child) == 0, "pipe");
  atomic_store(&stdin_fd, child[1]);
  const pthread_t thread = start(loop, NULL);
  work();
  close_stdin();
  close(child[0]);
  need(pipe(other) == 0, "pipe");
  join(thread);
  struct pollfd poll_for = {other[0], POLLIN, 0};
  check(poll(&poll_for, 1, 0) == 0, "a byte in a pipe that nobody writes to");
  return 0;
}

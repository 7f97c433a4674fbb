// F35: after a fork, the parent makes its mutex new instead of unlocking it.
//
// Seen in: jemalloc (the path for OS X), https://github.com/jemalloc/jemalloc/issues/895
// Bug: the handler before fork() locks the allocator's mutex, so that the child gets a consistent
//   heap. In the child, where no other thread exists, it is initialised anew. The same handler is
//   registered for the parent; there another thread may sleep on the mutex by now, and nobody wakes
//   it.
// Oracle: a hang in the parent: a thread waits for a mutex that is free.
// Fix: unlock in the parent, initialise in the child only.
#include <sys/wait.h>

#include "race.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void before_fork(void) { pthread_mutex_lock(&mutex); }

static void make_new(void) { pthread_mutex_init(&mutex, NULL); }

static void after_fork_in_parent(void) {
#ifdef FIXED
  pthread_mutex_unlock(&mutex);
#else
  make_new();
#endif
}

static void* allocator_user(void* unused) {
  for (int i = 0; i < 3; ++i) {
    work();
    pthread_mutex_lock(&mutex);
    work();
    pthread_mutex_unlock(&mutex);
  }
  return unused;
}

int main(void) {
  pthread_atfork(before_fork, after_fork_in_parent, make_new);
  const pthread_t other = start(allocator_user, NULL);
  work();
  const pid_t child = fork();
  need(child >= 0, "fork");
  if (child == 0) _exit(0);
  int status = -1;
  waitpid(child, &status, 0);
  join(other);
  check(status == 0, "the child failed");
  return 0;
}

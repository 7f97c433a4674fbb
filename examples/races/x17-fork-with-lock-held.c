// X17: a process forks while another of its threads has a lock.
//
// Seen: logging and malloc after fork(), https://bugs.python.org/issue6721
// Bug: the child has a copy of the mutex, locked, but not the thread that would unlock it.
// Oracle: a hang of the child.
// Fix: pthread_atfork(): fork only with the lock in hand, and unlock it on both sides.
#include <sys/wait.h>

#include "race.h"

static pthread_mutex_t log_mutex = PTHREAD_MUTEX_INITIALIZER;

static void write_log(void) {
  pthread_mutex_lock(&log_mutex);
  work();
  pthread_mutex_unlock(&log_mutex);
}

static void* logger(void* unused) {
  for (int i = 0; i < 3; ++i) write_log();
  return unused;
}

#ifdef FIXED
static void take(void) { pthread_mutex_lock(&log_mutex); }
static void release(void) { pthread_mutex_unlock(&log_mutex); }
#endif

int main(void) {
#ifdef FIXED
  pthread_atfork(take, release, release);
#endif
  const pthread_t other = start(logger, NULL);
  work();
  const pid_t child = fork();
  need(child >= 0, "fork");
  if (child == 0) {
    write_log();
    _exit(0);
  }
  int status = -1;
  waitpid(child, &status, 0);
  check(status == 0, "the child hung at a lock whose holder does not exist there");
  join(other);
  return 0;
}

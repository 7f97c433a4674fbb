// A session whose members may be killed at any time: the others notice, and all end by themselves.
//
// A ring of processes passes tokens through pipes, counts under a robust mutex in shared memory, and starts
// programs. Each ends after some seconds of its own clock, or when its neighbours are gone; the first waits for
// all. "begin N" and "end N" tell that member N came so far.
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MEMBERS = 5, ROUNDS = 300 };

static struct {
  pthread_mutex_t mutex;
  long count;
} * shared;

static void add_one(void) {
  const int error = pthread_mutex_lock(&shared->mutex);
  if (error == EOWNERDEAD) pthread_mutex_consistent(&shared->mutex);
  if (error != 0 && error != EOWNERDEAD) _exit(2);
  ++shared->count;
  const struct timespec span = {0, 20000};
  nanosleep(&span, NULL);
  pthread_mutex_unlock(&shared->mutex);
}

static void start_program(void) {
  const pid_t child = vfork();
  if (child == 0) {
    execl("/bin/true", "true", (char*)NULL);
    _exit(127);
  }
  int status;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
}

static void member(int number, int in, int out) {
  char token = 't';
  dprintf(1, "begin %d\n", number);
  for (int i = 0; i < ROUNDS; ++i) {
    struct pollfd entry = {in, POLLIN, 0};
    if (poll(&entry, 1, 20) > 0 && read(in, &token, 1) != 1) break;
    add_one();
    if (write(out, &token, 1) != 1) break;
    if (i % 50 == number * 10) start_program();
  }
  dprintf(1, "end %d\n", number);
}

int main(void) {
  signal(SIGPIPE, SIG_IGN);
  shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_init(&shared->mutex, &attributes);
  int pipes[MEMBERS][2];
  for (int i = 0; i < MEMBERS; ++i) {
    if (pipe(pipes[i]) != 0) return 1;
  }
  for (int i = 1; i < MEMBERS; ++i) {
    if (fork() == 0) {
      for (int j = 0; j < MEMBERS; ++j) {
        if (j != i) close(pipes[j][0]);
        if (j != (i + 1) % MEMBERS) close(pipes[j][1]);
      }
      member(i, pipes[i][0], pipes[(i + 1) % MEMBERS][1]);
      _exit(0);
    }
  }
  for (int j = 0; j < MEMBERS; ++j) {
    if (j != 0) close(pipes[j][0]);
    if (j != 1) close(pipes[j][1]);
  }
  member(0, pipes[0][0], pipes[1][1]);
  close(pipes[0][0]);
  close(pipes[1][1]);
  int ended = 0;
  while (wait(NULL) > 0) ++ended;
  dprintf(1, "waited for %d\n", ended);
  return 0;
}

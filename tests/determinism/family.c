// A guest of several processes that meet in every way in which their order can show: shared memory, a mutex
// between them, pipes, signals, stops, sudden deaths, vfork. It prints the order that came of it.
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CHILDREN = 4, ROUNDS = 40, LOG = 1 << 16 };

static struct {
  pthread_mutex_t mutex;
  int turn;
  int length;
  char log[LOG];
} * shared;

static volatile sig_atomic_t signals;

static void on_signal(int sig) {
  (void)sig;
  ++signals;
}

static void note(char letter) {
  const int at = __atomic_fetch_add(&shared->length, 1, __ATOMIC_SEQ_CST);
  if (at < LOG) shared->log[at] = letter;
}

static void pause_for(long ns) {
  const struct timespec span = {0, ns};
  nanosleep(&span, NULL);
}

static void check(int ok, const char* what) {
  if (ok) return;
  perror(what);
  _exit(1);
}

// Locks, sleeps and spins by turns.
static void compete(int number) {
  for (int i = 0; i < ROUNDS; ++i) {
    pthread_mutex_lock(&shared->mutex);
    note('a' + number);
    if (i % 7 == number) pause_for(1000 * number);
    pthread_mutex_unlock(&shared->mutex);
    unsigned char random = 0;
    check(getrandom(&random, 1, 0) == 1, "getrandom");
    if (random % 4 == 0) pause_for(random * 100L);
    if (random % 4 == 1) sched_yield();
    note('A' + number);
  }
  kill(getppid(), SIGUSR1);
  _exit(number);
}

// A loop on shared memory with system calls, and one without them that the other end ends.
static void spin_for_turn(int number) {
  while (__atomic_load_n(&shared->turn, __ATOMIC_SEQ_CST) != number) getppid();
  note('0' + number);
  __atomic_fetch_add(&shared->turn, 1, __ATOMIC_SEQ_CST);
  _exit(0);
}

static void all_of(void (*body)(int)) {
  for (int i = 0; i < CHILDREN; ++i) {
    const pid_t child = fork();
    check(child >= 0, "fork");
    if (child == 0) body(i);
  }
  int sum = 0;
  for (int i = 0, status; i < CHILDREN; ++i) {
    pid_t got;
    while ((got = wait(&status)) < 0 && errno == EINTR) note('i');
    check(got > 0 && WIFEXITED(status), "wait");
    sum = sum * 10 + WEXITSTATUS(status);
    note('w');
  }
  printf("%d %.*s\n", sum, shared->length, shared->log);
  fflush(stdout);
  shared->length = 0;
}

static void* reader(void* fd) {
  char byte;
  while (read(*(int*)fd, &byte, 1) == 1) note(byte);
  return NULL;
}

// Two threads of the parent read what children write to a pipe and a socket.
static void talk(void) {
  int pipe_ends[2], pair[2];
  check(pipe(pipe_ends) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0, "pipe");
  for (int i = 0; i < CHILDREN; ++i) {
    if (fork() != 0) continue;
    close(pipe_ends[0]);
    close(pair[0]);
    for (int j = 0; j < 10; ++j) {
      const char byte = (char)('a' + i);
      check(write(j % 2 ? pipe_ends[1] : pair[1], &byte, 1) == 1, "write");
      if (j % 3 == i % 3) pause_for(500);
    }
    _exit(0);
  }
  close(pipe_ends[1]);
  close(pair[1]);
  pthread_t threads[2];
  pthread_create(&threads[0], NULL, reader, &pipe_ends[0]);
  pthread_create(&threads[1], NULL, reader, &pair[0]);
  pthread_join(threads[0], NULL);
  pthread_join(threads[1], NULL);
  while (wait(NULL) > 0 || errno == EINTR) note('w');
  printf("%.*s\n", shared->length, shared->log);
  fflush(stdout);
  shared->length = 0;
}

// What kill(2) did is there at once.
static void kill_and_stop(void) {
  const pid_t child = fork();
  if (child == 0) {
    for (;;) pause_for(1000000);
  }
  int status = 0;
  pause_for(5000);
  kill(child, SIGSTOP);
  printf("stopped: %d",
         waitpid(child, &status, WUNTRACED | WNOHANG) == child && WIFSTOPPED(status));
  kill(child, SIGCONT);
  printf(" continued: %d",
         waitpid(child, &status, WCONTINUED | WNOHANG) == child && WIFCONTINUED(status));
  kill(child, SIGKILL);
  printf(" killed: %d", waitpid(child, &status, WNOHANG) == child && WIFSIGNALED(status));
  const pid_t stopper = fork();
  if (stopper == 0) {
    raise(SIGSTOP);
    _exit(7);
  }
  printf(" itself: %d", waitpid(stopper, &status, WUNTRACED) == stopper && WIFSTOPPED(status));
  kill(stopper, SIGCONT);
  printf(" ended: %d\n", waitpid(stopper, &status, 0) == stopper && WEXITSTATUS(status) == 7);
  fflush(stdout);
}

static void spawn(void) {
  extern char** environ;
  char* const command[] = {"sh", "-c", "echo spawned; exec sh -c 'echo again; exit 3'", NULL};
  for (int i = 0; i < 3; ++i) {
    pid_t child = 0;
    check(posix_spawn(&child, "/bin/sh", NULL, NULL, command, environ) == 0, "posix_spawn");
    int status = 0;
    while (waitpid(child, &status, WNOHANG) == 0) note('p');
    printf("spawn: %d after %d looks\n", WEXITSTATUS(status), shared->length);
    fflush(stdout);
    shared->length = 0;
  }
}

int main(void) {
  shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  check(shared != MAP_FAILED, "mmap");
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  pthread_mutex_init(&shared->mutex, &attributes);
  struct sigaction action = {.sa_handler = on_signal};
  sigaction(SIGUSR1, &action, NULL);
  sigaction(SIGCHLD, &action, NULL);
  all_of(compete);
  all_of(spin_for_turn);
  talk();
  kill_and_stop();
  spawn();
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  printf("signals: %d, time: %ld.%09ld\n", (int)signals, (long)now.tv_sec, now.tv_nsec);
  return 0;
}

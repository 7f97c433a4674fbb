// Ends in the way that it is told; the caller compares the status.
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static void* exit_group(void* arg) {
  (void)arg;
  usleep(1000);
  exit(31);
}

static void* last_words(void* arg) {
  (void)arg;
  usleep(20000);
  return NULL;
}

static void end(const char* how) {
  pthread_t thread;
  volatile int zero = 0;
  if (strcmp(how, "segv") == 0) *(volatile int*)8 = 1;
  if (strcmp(how, "abort") == 0) abort();
  if (strcmp(how, "fpe") == 0) zero = 1 / zero;
  if (strcmp(how, "ill") == 0) __builtin_trap();
  if (strcmp(how, "term") == 0) raise(SIGTERM);
  if (strcmp(how, "kill") == 0) kill(getpid(), SIGKILL);
  if (strcmp(how, "quit") == 0) raise(SIGQUIT);
  if (strcmp(how, "rt") == 0) raise(SIGRTMIN + 3);
  if (strcmp(how, "thread") == 0) {
    pthread_create(&thread, NULL, exit_group, NULL);
    for (;;) pause();
  }
  if (strcmp(how, "last-thread") == 0) {
    pthread_create(&thread, NULL, last_words, NULL);
    pthread_exit(NULL);  // the process ends with its last thread, with status 0
  }
  exit(atoi(how));
}

int main(int argc, char** argv) {
  struct rlimit none = {0, 0};
  setrlimit(RLIMIT_CORE, &none);
  if (argc != 2) return 99;
  if (strcmp(argv[1], "children") != 0) end(argv[1]);
  const char* ways[] = {"0",   "1",    "255",  "256",  "segv", "abort",  "fpe",
                        "ill", "term", "kill", "quit", "rt",   "thread", "last-thread"};
  for (unsigned i = 0; i < sizeof ways / sizeof *ways; i++) {
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
      if (i % 2) execl(argv[0], argv[0], ways[i], (char*)NULL);
      end(ways[i]);
    }
    int status = 0;
    struct rusage usage;
    pid_t got = wait4(pid, &status, 0, &usage);
    printf("%s: %d, status %#x\n", ways[i], got == pid, status);
  }
  return 0;
}

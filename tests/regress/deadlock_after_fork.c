// A deadlock was not reported once the program had forked: neither in the child, nor in the parent after the
// child had ended. Virtual time; "child" lets the child deadlock, "parent" the parent.
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void lock_twice(void) {
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  pthread_mutex_lock(&mutex);
  pthread_mutex_lock(&mutex);
}

int main(int argc, char** argv) {
  if (argc < 2) return 1;
  const pid_t child = fork();
  if (child == 0) {
    if (strcmp(argv[1], "child") == 0) lock_twice();
    _exit(0);
  }
  int status = -1;
  if (child < 0 || waitpid(child, &status, 0) != child) return 1;
  printf("%d\n", WIFEXITED(status) ? WEXITSTATUS(status) : -1);
  fflush(stdout);
  if (strcmp(argv[1], "parent") == 0) lock_twice();
  return 0;
}

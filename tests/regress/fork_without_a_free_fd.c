// A process that has used up its descriptors forks: parent and child go on. (Once, the kernel found no number
// for what it needs itself.)
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int main(void) {
  int ends[2];
  struct rlimit few = {200, 0};
  struct rlimit old;
  getrlimit(RLIMIT_NOFILE, &old);
  few.rlim_max = old.rlim_max;
  if (pipe(ends) != 0 || setrlimit(RLIMIT_NOFILE, &few) != 0) return 1;
  while (dup(0) >= 0) {
  }
  printf("no more: %s\n", strerrorname_np(errno));
  fflush(stdout);
  for (int round = 0; round < 2; ++round) {
    const pid_t child = fork();
    if (child == 0) {
      const struct timespec moment = {0, 20000000};
      nanosleep(&moment, NULL);
      _exit(write(ends[1], "x", 1) == 1 ? 7 : 8);
    }
    char c = '?';
    int status = -1;
    const ssize_t n = read(ends[0], &c, 1);
    waitpid(child, &status, 0);
    printf("read %zd %c, status %d\n", n, c, WEXITSTATUS(status));
    fflush(stdout);
  }
  return 0;
}

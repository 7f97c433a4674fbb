// A child sends real-time signals as fast as it can; the parent reads them from a signalfd and still gets
// on. (Once, what came while signals were taken in was taken in as well, for ever.)
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int main(void) {
  sigset_t set;
  struct signalfd_siginfo info;
  sigemptyset(&set);
  sigaddset(&set, SIGRTMIN);
  sigprocmask(SIG_BLOCK, &set, NULL);
  const int fd = signalfd(-1, &set, 0);
  const pid_t child = fork();
  if (child == 0) {
    const union sigval value = {.sival_int = 5};
    for (;;) sigqueue(getppid(), SIGRTMIN, value);
  }
  int right = 0;
  for (int i = 0; i < 5000; ++i) {
    if (read(fd, &info, sizeof info) != sizeof info) return 1;
    right += info.ssi_signo == (unsigned)SIGRTMIN && info.ssi_pid == (unsigned)child &&
             info.ssi_int == 5;
  }
  kill(child, SIGKILL);
  waitpid(child, NULL, 0);
  printf("right: %d\n", right);
  return 0;
}

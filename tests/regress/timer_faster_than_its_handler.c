// A CPU-time timer with a period shorter than the delivery of its signal: the program must get on all the same.
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

static volatile sig_atomic_t ticks;

static void on_tick(int sig) {
  (void)sig;
  ++ticks;
}

static double cpu_seconds(void) {
  struct timespec used;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return (double)used.tv_sec + (double)used.tv_nsec / 1e9;
}

int main(void) {
  struct sigaction action;
  memset(&action, 0, sizeof(action));
  action.sa_handler = on_tick;
  sigaction(SIGPROF, &action, NULL);
  const struct itimerval fast = {{0, 1}, {0, 1}};
  const struct itimerval off = {{0, 0}, {0, 0}};
  setitimer(ITIMER_PROF, &fast, NULL);
  struct itimerval left;
  while (cpu_seconds() < 0.2) getitimer(ITIMER_PROF, &left);
  volatile unsigned long work = 0;
  while (work < 1000000) ++work;
  setitimer(ITIMER_PROF, &off, NULL);
  printf("ticks seen: %s\n", ticks > 0 ? "yes" : "no");
  return 0;
}

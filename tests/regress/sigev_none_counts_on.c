// A SIGEV_NONE timer that is disarmed goes on showing the time to its old expiry, without its interval.
// (Once, it showed 0.)
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

int main(void) {
  struct sigevent event;
  struct itimerspec value = {{0, 0}, {1000, 0}}, left;
  timer_t timer;
  memset(&event, 0, sizeof event);
  event.sigev_notify = SIGEV_NONE;
  if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0) return 1;
  timer_settime(timer, 0, &value, NULL);
  memset(&value, 0, sizeof value);
  timer_settime(timer, 0, &value, &left);
  printf("was: about %ld s\n", (left.it_value.tv_sec + 50) / 100 * 100);
  timer_gettime(timer, &left);
  printf("disarmed: about %ld s every %ld\n", (left.it_value.tv_sec + 50) / 100 * 100,
         left.it_interval.tv_sec);
  return 0;
}

// poll of no descriptors with a wild pointer: it waits first, and finds the pointer bad when it is to write
// the results. (Once, it failed at once.)
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int main(void) {
  struct timespec before, after;
  clock_gettime(CLOCK_MONOTONIC, &before);
  const long n = syscall(SYS_poll, (long)0x8000000000000000UL, 0, 50);
  const int error = errno;
  clock_gettime(CLOCK_MONOTONIC, &after);
  const long ms =
      (after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000;
  printf("%s, %s\n", n < 0 ? strerrorname_np(error) : "no error",
         ms >= 49 ? "after the wait" : "at once");
  return 0;
}

// How late a periodic timerfd of 1 ms is: clock behind the read minus the expiry that it tells of.
#include "guest.h"

#include <sys/timerfd.h>
#include <unistd.h>

static int by_value(const void* a, const void* b) {
  const int64_t x = *(const int64_t*)a;
  const int64_t y = *(const int64_t*)b;
  return (x > y) - (x < y);
}

int main(int argc, char** argv) {
  const long count = count_argument(argc, argv, 1000);
  const int64_t period = 1000000;
  int64_t* late = calloc((size_t)count, sizeof(*late));
  const int timer = timerfd_create(CLOCK_MONOTONIC, 0);
  const int64_t start = now_ns() + period;
  const struct itimerspec setting = {{0, period}, {start / 1000000000, start % 1000000000}};
  REQUIRE(late != NULL && timerfd_settime(timer, TFD_TIMER_ABSTIME, &setting, NULL) == 0);
  int64_t expired = 0;
  for (long i = 0; i < count; ++i) {
    uint64_t ticks;
    REQUIRE(read(timer, &ticks, sizeof(ticks)) == sizeof(ticks));
    expired += (int64_t)ticks;
    late[i] = now_ns() - (start + (expired - 1) * period);
  }
  qsort(late, (size_t)count, sizeof(*late), by_value);
  printf("late_p50 %ld\nlate_p99 %ld\nlate_max %ld\n", late[count / 2], late[count * 99 / 100],
         late[count - 1]);
  return 0;
}

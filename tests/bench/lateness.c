// How late a periodic timerfd of 1 ms is: clock behind the read minus the expiry that it tells of.
#include "guest.h"

#include <sys/timerfd.h>
#include <unistd.h>

int main(int argc, char** argv) {
  const long count = count_argument(argc, argv, 1000);
  const int64_t period = 1000000;
  static struct distribution late;
  const int timer = timerfd_create(CLOCK_MONOTONIC, 0);
  const int64_t start = now_ns() + period;
  const struct itimerspec setting = {{0, period}, {start / 1000000000, start % 1000000000}};
  REQUIRE(timerfd_settime(timer, TFD_TIMER_ABSTIME, &setting, NULL) == 0);
  int64_t expired = 0;
  for (long i = 0; i < count; ++i) {
    uint64_t ticks;
    REQUIRE(read(timer, &ticks, sizeof(ticks)) == sizeof(ticks));
    expired += (int64_t)ticks;
    record(&late, (double)(now_ns() - (start + (expired - 1) * period)));
  }
  print_distribution("timerfd_late", &late);
  return 0;
}

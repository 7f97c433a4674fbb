// The cost of calls that have nothing to wait for. A sample is the mean of a batch of a hundred: reading the
// clock costs more than some of them.
#include "guest.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <linux/futex.h>

// Inline, as the libc wrapper costs as much again natively.
static inline long call4(long number, long a, long b, long c, long d) {
  long result;
  register long r10 __asm__("r10") = d;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10)
                   : "rcx", "r11", "memory");
  return result;
}

enum { kBatch = 100 };

#define TIMED(name, call)                                \
  do {                                                   \
    static struct distribution all;                      \
    for (long i = 0; i < count; i += kBatch) {           \
      const int64_t start = now_ns();                    \
      for (int j = 0; j < kBatch; ++j) call;             \
      record(&all, (double)(now_ns() - start) / kBatch); \
    }                                                    \
    print_distribution(name, &all);                      \
  } while (0)

int main(int argc, char** argv) {
  const long count = count_argument(argc, argv, 100000);
  static uint32_t word;
  const int event = eventfd(0, EFD_NONBLOCK);
  const int epoll = epoll_create1(0);
  const int ready = eventfd(1, 0);
  const int timer = timerfd_create(CLOCK_MONOTONIC, 0);
  const int file = open("/proc/self/exe", O_RDONLY);
  struct epoll_event found = {.events = EPOLLIN};
  struct pollfd polled = {.fd = ready, .events = POLLIN};
  const struct itimerspec hour = {{0, 0}, {3600, 0}};
  REQUIRE(event >= 0 && timer >= 0 && file >= 0);
  REQUIRE(epoll_ctl(epoll, EPOLL_CTL_ADD, ready, &found) == 0);
  uint64_t value = 1;
  struct timespec now;
  TIMED("getppid", call4(SYS_getppid, 0, 0, 0, 0));
  TIMED("gettid", call4(SYS_gettid, 0, 0, 0, 0));
  TIMED("futex_wake", call4(SYS_futex, (long)&word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, 0));
  TIMED("futex_stale", call4(SYS_futex, (long)&word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 1, 0));
  TIMED("eventfd_again", call4(SYS_read, event, (long)&value, 8, 0));
  value = 1;
  TIMED("eventfd_write_read",
        (call4(SYS_write, event, (long)&value, 8, 0), call4(SYS_read, event, (long)&value, 8, 0)));
  TIMED("epoll_wait_ready", call4(SYS_epoll_wait, epoll, (long)&found, 1, 0));
  TIMED("poll_ready", call4(SYS_poll, (long)&polled, 1, 0, 0));
  TIMED("sched_yield", call4(SYS_sched_yield, 0, 0, 0, 0));
  TIMED("timerfd_settime", call4(SYS_timerfd_settime, timer, 0, (long)&hour, 0));
  TIMED("file_read", call4(SYS_pread64, file, (long)&value, 1, 0));
  TIMED("clock_gettime", clock_gettime(CLOCK_MONOTONIC, &now));
  return 0;
}

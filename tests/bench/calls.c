// The cost of calls that have nothing to wait for.
#include "guest.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
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

#define TIMED(name, call)                      \
  do {                                         \
    const int64_t start = now_ns();            \
    for (long i = 0; i < count; ++i) call;     \
    print_each(name, now_ns() - start, count); \
  } while (0)

int main(int argc, char** argv) {
  const long count = count_argument(argc, argv, 100000);
  static uint32_t word;
  const int event = eventfd(0, EFD_NONBLOCK);
  const int epoll = epoll_create1(0);
  const int ready = eventfd(1, 0);
  struct epoll_event found = {.events = EPOLLIN};
  REQUIRE(epoll_ctl(epoll, EPOLL_CTL_ADD, ready, &found) == 0);
  uint64_t value = 1;
  struct timespec now;
  TIMED("getppid", call4(SYS_getppid, 0, 0, 0, 0));
  TIMED("gettid", call4(SYS_gettid, 0, 0, 0, 0));
  TIMED("futex_wake", call4(SYS_futex, (long)&word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, 0));
  TIMED("eventfd_write_read",
        (call4(SYS_write, event, (long)&value, 8, 0), call4(SYS_read, event, (long)&value, 8, 0)));
  TIMED("epoll_wait_ready", call4(SYS_epoll_wait, epoll, (long)&found, 1, 0));
  TIMED("clock_gettime", clock_gettime(CLOCK_MONOTONIC, &now));
  return 0;
}

// write on a timerfd and read on an epoll instance: there is no such operation, so EINVAL comes before the
// pointer is looked at. (Once, it was EFAULT.)
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

static void tell(const char* what, long result) {
  printf("%s: %s\n", what, result < 0 ? strerrorname_np(errno) : "no error");
}

int main(void) {
  const long wild = (long)0x8000000000000000UL;
  const int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  const int epoll = epoll_create1(0);
  tell("write on a timerfd", syscall(SYS_write, timer, wild, 8));
  tell("read on a timerfd", syscall(SYS_read, timer, wild, 8));
  tell("read on an epoll instance", syscall(SYS_read, epoll, wild, 8));
  tell("write on an epoll instance", syscall(SYS_write, epoll, wild, 0));
  return 0;
}

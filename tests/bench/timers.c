// Many timerfds, armed for a second and a bit more each, and all waited for. For virtual time, where
// `detent bench` takes the host's time for the whole.
#include "guest.h"

#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <unistd.h>

int main(int argc, char** argv) {
  const long count = count_argument(argc, argv, 10000);
  const struct rlimit fds = {(rlim_t)count + 100, (rlim_t)count + 100};
  REQUIRE(setrlimit(RLIMIT_NOFILE, &fds) == 0);
  const int epoll = epoll_create1(0);
  for (long i = 0; i < count; ++i) {
    const int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    const struct itimerspec setting = {{0, 0}, {1, i * 7919 % count * 10000}};
    struct epoll_event want = {.events = EPOLLIN, .data.fd = timer};
    REQUIRE(timer >= 0 && timerfd_settime(timer, 0, &setting, NULL) == 0);
    REQUIRE(epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &want) == 0);
  }
  for (long fired = 0; fired < count;) {
    struct epoll_event found[64];
    const int got = epoll_wait(epoll, found, 64, -1);
    for (int i = 0; i < got; ++i) {
      uint64_t ticks;
      REQUIRE(read(found[i].data.fd, &ticks, sizeof(ticks)) == sizeof(ticks) && ticks == 1);
    }
    fired += got;
  }
  printf("fired %ld\n", count);
  return 0;
}

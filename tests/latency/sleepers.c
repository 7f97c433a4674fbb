// Three threads that are woken a known number of times: through an eventfd in an epoll set, by a timerfd, and
// by a futex. Each waits until its waker has seen that it waits.
#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <linux/futex.h>

enum { kEvents = 11, kTicks = 7, kWakes = 5 };

static int event, epoll, timer;
static uint32_t word;

static void require(int good) {
  if (!good) abort();
}

static void make_event(void) {
  event = eventfd(0, 0);
  epoll = epoll_create1(0);
  struct epoll_event want = {.events = EPOLLIN};
  require(epoll_ctl(epoll, EPOLL_CTL_ADD, event, &want) == 0);
}

static void make_timer(void) {
  const struct itimerspec setting = {{0, 5000000}, {0, 5000000}};
  timer = timerfd_create(CLOCK_MONOTONIC, 0);
  require(timerfd_settime(timer, 0, &setting, NULL) == 0);
}

static void* poll_events(void* unused) {
  for (int i = 0; i < kEvents; ++i) {
    struct epoll_event found;
    uint64_t value;
    require(epoll_wait(epoll, &found, 1, -1) == 1);
    require(read(event, &value, sizeof(value)) == sizeof(value));
  }
  return unused;
}

static void* wait_for_word(void* unused) {
  for (uint32_t seen = 0; seen < kWakes; ++seen) {
    require(syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0) == 0);
  }
  return unused;
}

static void pause_a_little(void) {
  const struct timespec little = {0, 1000000};
  nanosleep(&little, NULL);
}

int main(void) {
  pthread_t poller, waiter;
  make_event();
  make_timer();
  pthread_create(&poller, NULL, poll_events, NULL);
  for (int i = 0; i < kEvents; ++i) {
    const uint64_t one = 1;
    pause_a_little();
    require(write(event, &one, sizeof(one)) == sizeof(one));
  }
  pthread_join(poller, NULL);
  pthread_create(&waiter, NULL, wait_for_word, NULL);
  for (int i = 0; i < kWakes; ++i) {
    pause_a_little();
    __atomic_add_fetch(&word, 1, __ATOMIC_SEQ_CST);
    require(syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0) == 1);
  }
  pthread_join(waiter, NULL);
  for (int i = 0; i < kTicks; ++i) {
    uint64_t ticks;
    require(read(timer, &ticks, sizeof(ticks)) == sizeof(ticks));
  }
  return 3;
}

// What an object of the emulated kernel costs in memory: the growth of this process's resident set, which the
// kernel is part of. Under detent only: natively these bytes are the host kernel's, and not to be seen.
//
//   detent run -- bench-memory [COUNT]
#include "guest.h"

#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <unistd.h>

static long count;
static int* events;
static int epoll;

static long resident_bytes(void) {
  long pages = 0;
  FILE* file = fopen("/proc/self/statm", "r");
  REQUIRE(file != NULL && fscanf(file, "%*d %ld", &pages) == 1);
  fclose(file);
  return pages * 4096;
}

static void make_eventfds(void) {
  for (long i = 0; i < count; ++i) REQUIRE((events[i] = eventfd(0, 0)) >= 0);
}

static void watch_eventfds(void) {
  for (long i = 0; i < count; ++i) {
    struct epoll_event want = {.events = EPOLLIN};
    REQUIRE(epoll_ctl(epoll, EPOLL_CTL_ADD, events[i], &want) == 0);
  }
}

static void make_timerfds(void) {
  const struct itimerspec far = {{0, 0}, {100000, 0}};
  for (long i = 0; i < count; ++i) {
    const int timer = timerfd_create(CLOCK_MONOTONIC, 0);
    REQUIRE(timer >= 0 && timerfd_settime(timer, 0, &far, NULL) == 0);
  }
}

static void make_timers(void) {
  const struct itimerspec far = {{0, 0}, {100000, 0}};
  struct sigevent quiet = {.sigev_notify = SIGEV_NONE};
  for (long i = 0; i < count; ++i) {
    timer_t timer;
    REQUIRE(timer_create(CLOCK_MONOTONIC, &quiet, &timer) == 0);
    REQUIRE(timer_settime(timer, 0, &far, NULL) == 0);
  }
}

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static void* wait_at_gate(void* unused) {
  pthread_mutex_lock(&gate);
  pthread_mutex_unlock(&gate);
  return unused;
}

static void make_threads(void) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 16384);
  pthread_mutex_lock(&gate);
  for (long i = 0; i < count; ++i) {
    pthread_t thread;
    REQUIRE(pthread_create(&thread, &attributes, wait_at_gate, NULL) == 0);
  }
  usleep(100000);
}

static void measure(const char* what, void (*make)(void)) {
  const long before = resident_bytes();
  make();
  printf("%s: %ld bytes each\n", what, (resident_bytes() - before) / count);
}

int main(int argc, char** argv) {
  count = count_argument(argc, argv, 9000);
  const struct rlimit fds = {(rlim_t)(2 * count + 100), (rlim_t)(2 * count + 100)};
  REQUIRE(setrlimit(RLIMIT_NOFILE, &fds) == 0);
  events = malloc((size_t)count * sizeof(*events));
  REQUIRE(events != NULL);
  for (long i = 0; i < count; ++i) events[i] = -1;
  epoll = epoll_create1(0);
  printf("at the start: %ld KiB resident\n", resident_bytes() / 1024);
  measure("eventfd", make_eventfds);
  measure("epoll member", watch_eventfds);
  measure("timerfd, armed", make_timerfds);
  measure("POSIX timer, armed", make_timers);
  measure("thread that waits, with its own stack", make_threads);
  fflush(stdout);
  _exit(0);
}

// Threads that race for a mutex, a condition variable, an eventfd and timers. The output tells who won, so
// it depends on every choice of the scheduler. With "addresses" it also shows where things lie in memory.
#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { kThreads = 6, kTurns = 20 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static char log_text[kThreads * kTurns + 1];
static int logged;
static int event;

static void* worker(void* argument) {
  const int me = (int)(intptr_t)argument;
  for (int i = 0; i < kTurns; ++i) {
    if (i % 5 == 1) sched_yield();
    if (i % 5 == 2) nanosleep(&(struct timespec){0, 1000}, NULL);
    pthread_mutex_lock(&lock);
    log_text[logged++] = (char)('a' + me);
    pthread_cond_signal(&changed);
    if (i % 7 == 3) {
      struct timespec until;
      clock_gettime(CLOCK_REALTIME, &until);
      until.tv_sec += 1;
      pthread_cond_timedwait(&changed, &lock, &until);
    }
    pthread_mutex_unlock(&lock);
    const uint64_t one = 1;
    if (i % 4 == 0 && write(event, &one, 8) != 8) abort();
  }
  return NULL;
}

int main(int argc, char** argv) {
  pthread_t threads[kThreads];
  event = eventfd(0, EFD_SEMAPHORE);
  const int timer = timerfd_create(CLOCK_MONOTONIC, 0);
  const struct itimerspec hourly = {{3600, 0}, {3600, 0}};
  timerfd_settime(timer, 0, &hourly, NULL);
  for (intptr_t i = 0; i < kThreads; ++i) pthread_create(&threads[i], NULL, worker, (void*)i);
  struct pollfd both[] = {{event, POLLIN, 0}, {timer, POLLIN, 0}};
  int events = 0;
  for (uint64_t count, hours = 0; hours < 3;) {
    poll(both, 2, -1);
    if (both[0].revents && read(event, &count, 8) == 8) ++events;
    if (both[1].revents && read(timer, &count, 8) == 8) hours += count;
  }
  for (int i = 0; i < kThreads; ++i) pthread_join(threads[i], NULL);
  unsigned char random[8];
  if (getrandom(random, sizeof(random), 0) != sizeof(random)) return 1;
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  printf("%s %d\n%lld.%09ld", log_text, events, (long long)now.tv_sec, now.tv_nsec);
  for (size_t i = 0; i < sizeof(random); ++i) printf(" %02x", random[i]);
  printf("\n");
  // Known to differ from run to run; a trace must not show them.
  if (getpid() <= 0 || getppid() < 0 || syscall(SYS_gettid) <= 0) return 1;
  if (argc > 1 && !strcmp(argv[1], "addresses")) {
    printf("%p %p %p %p %p\n", (void*)main, (void*)&now, (void*)printf, malloc(10),
           malloc(1 << 20));
  }
  return 0;
}

// Ends in the way that its argument names: see run_verdicts.py.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int word;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static volatile int flag;

static void* wait_for_word(void* unused) {
  syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
  return unused;
}

// The value changes, and nobody is told.
static void lost_wakeup(void) {
  pthread_t thread;
  pthread_create(&thread, NULL, wait_for_word, NULL);
  usleep(1000);
  __atomic_store_n(&word, 1, __ATOMIC_SEQ_CST);
  pthread_join(thread, NULL);
}

static void deadlock(void) {
  pthread_mutex_lock(&lock);
  pthread_mutex_lock(&lock);
}

// A level-triggered event that is never taken.
static void livelock(void) {
  struct epoll_event event = {.events = EPOLLIN};
  const int poll = epoll_create1(0);
  epoll_ctl(poll, EPOLL_CTL_ADD, eventfd(1, 0), &event);
  for (;;) epoll_wait(poll, &event, 1, -1);
}

static void* set_flag(void* unused) {
  flag = 1;
  return unused;
}

// Loops that wait for another thread by looking: must end under every strategy.
static void spin(void) {
  pthread_t thread;
  struct timespec now;
  pthread_create(&thread, NULL, set_flag, NULL);
  while (!flag) sched_yield();
  pthread_join(thread, NULL);
  flag = 0;
  pthread_create(&thread, NULL, set_flag, NULL);
  while (!flag) clock_gettime(CLOCK_MONOTONIC, &now);
  pthread_join(thread, NULL);
}

static atomic_int seen;

static void* wait_for_flag(void* unused) {
  while (!flag) continue;
  ++seen;
  return unused;
}

// The same without a system call: only the host's tick sees such a loop.
static void quiet_spin(void) {
  pthread_t thread;
  pthread_create(&thread, NULL, wait_for_flag, NULL);
  usleep(1000);
  flag = 1;
  while (seen == 0) continue;
  pthread_join(thread, NULL);
}

// A pipe, an epoll instance and a file position from before the first thread.
static void snapshot(void) {
  int ends[2];
  char text[4] = "";
  struct epoll_event event = {.events = EPOLLIN};
  const int file = open("/proc/self/exe", O_RDONLY);
  const int poll = epoll_create1(0);
  if (pipe(ends) != 0 || epoll_ctl(poll, EPOLL_CTL_ADD, ends[0], &event) != 0) abort();
  pthread_t thread;
  pthread_create(&thread, NULL, set_flag, NULL);
  int unread = 0;
  if (write(ends[1], "x", 1) != 1 || ioctl(ends[0], FIONREAD, &unread) != 0) abort();
  if (read(file, text, 3) != 3) abort();
  const int ready = epoll_wait(poll, &event, 1, 0);
  printf("%d unread, %d ready, read %s, at %ld\n", unread, ready, text + 1,
         (long)lseek(file, 0, SEEK_CUR));
  pthread_join(thread, NULL);
}

// Every source of random bytes.
static void randomness(void) {
  unsigned char bytes[4] = "";
  char uuid[40] = "";
  if (getrandom(bytes, 4, 0) != 4) abort();
  printf("%02x%02x%02x%02x ", bytes[0], bytes[1], bytes[2], bytes[3]);
  const int device = open("/dev/urandom", O_RDONLY);
  if (read(device, bytes, 4) != 4) abort();
  printf("%02x%02x%02x%02x ", bytes[0], bytes[1], bytes[2], bytes[3]);
  if (read(open("/proc/sys/kernel/random/uuid", O_RDONLY), uuid, 37) != 37) abort();
  printf("%s", uuid);
}

int main(int argc, char** argv) {
  const char* how = argc > 1 ? argv[1] : "";
  if (strcmp(how, "lost") == 0) lost_wakeup();
  if (strcmp(how, "deadlock") == 0) deadlock();
  if (strcmp(how, "livelock") == 0) livelock();
  if (strcmp(how, "spin") == 0) spin();
  if (strcmp(how, "quiet") == 0) quiet_spin();
  if (strcmp(how, "snapshot") == 0) snapshot();
  if (strcmp(how, "random") == 0) randomness();
  if (strcmp(how, "abort") == 0) abort();
  if (strcmp(how, "sleep") == 0) sleep(3600);
  return strcmp(how, "seven") == 0 ? 7 : 0;
}

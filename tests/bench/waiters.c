// What grows with the number of those who wait: a futex wake and requeue of N threads, and an epoll instance
// of N members. The figures of wakes and requeues are of the whole call, those of epoll of one operation.
#include "guest.h"

#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/futex.h>

static long futex(uint32_t* word, int op, uint32_t value, long count, uint32_t* other) {
  return syscall(SYS_futex, word, op | FUTEX_PRIVATE_FLAG, value, count, other, 0);
}

// ---- futex ----

enum { kMostWaiters = 1000 };

static uint32_t generation;
static uint32_t elsewhere;
static long awake;
static int ended;

static void* wait_again_and_again(void* unused) {
  while (!__atomic_load_n(&ended, __ATOMIC_ACQUIRE)) {
    const uint32_t seen = __atomic_load_n(&generation, __ATOMIC_ACQUIRE);
    __atomic_add_fetch(&awake, 1, __ATOMIC_ACQ_REL);
    while (__atomic_load_n(&generation, __ATOMIC_ACQUIRE) == seen) {
      futex(&generation, FUTEX_WAIT, seen, 0, NULL);
    }
  }
  return unused;
}

// A requeue to the same word moves nobody and counts all.
static void await_waiters(long n) {
  while (futex(&generation, FUTEX_REQUEUE, 0, INT_MAX, &generation) != n) sched_yield();
}

static void end_round(long n) {
  while (__atomic_load_n(&awake, __ATOMIC_ACQUIRE) != n) sched_yield();
  await_waiters(n);
}

static void wake_of(long n, long rounds) {
  static pthread_t threads[kMostWaiters];
  pthread_attr_t small;
  int64_t waking = 0;
  int64_t running = 0;
  int64_t moving = 0;
  char name[32];
  ended = 0;
  awake = 0;
  pthread_attr_init(&small);
  REQUIRE(pthread_attr_setstacksize(&small, 65536) == 0);
  for (long i = 0; i < n; ++i) {
    REQUIRE(pthread_create(&threads[i], &small, wait_again_and_again, NULL) == 0);
  }
  end_round(n);
  for (long round = 0; round <= rounds; ++round) {
    const int64_t before = now_ns();
    REQUIRE(futex(&generation, FUTEX_REQUEUE, 0, INT_MAX, &elsewhere) == n);
    const int64_t moved = now_ns();
    REQUIRE(futex(&elsewhere, FUTEX_REQUEUE, 0, INT_MAX, &generation) == n);
    __atomic_store_n(&awake, 0, __ATOMIC_RELEASE);
    __atomic_store_n(&ended, round == rounds, __ATOMIC_RELEASE);
    __atomic_add_fetch(&generation, 1, __ATOMIC_ACQ_REL);
    const int64_t start = now_ns();
    REQUIRE(futex(&generation, FUTEX_WAKE, INT_MAX, 0, NULL) == n);
    const int64_t woken = now_ns();
    if (round == rounds) break;  // the last one lets them go
    while (__atomic_load_n(&awake, __ATOMIC_ACQUIRE) != n) sched_yield();
    const int64_t run = now_ns();
    end_round(n);
    moving += moved - before;
    waking += woken - start;
    running += run - start;
  }
  for (long i = 0; i < n; ++i) REQUIRE(pthread_join(threads[i], NULL) == 0);
  snprintf(name, sizeof name, "wake_%ld", n);
  print_each(name, waking, rounds);
  snprintf(name, sizeof name, "wake_to_run_%ld", n);
  print_each(name, running, rounds);
  snprintf(name, sizeof name, "requeue_%ld", n);
  print_each(name, moving, rounds);
}

// ---- epoll ----

enum { kFiles = 1000, kFirstNumber = 1500 };

static void control(int epoll, int op, int fd) {
  struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
  REQUIRE(epoll_ctl(epoll, op, fd, &event) == 0);
}

static void one_event(int epoll, int fd) {
  uint64_t value = 1;
  struct epoll_event found;
  REQUIRE(write(fd, &value, 8) == 8);
  REQUIRE(epoll_wait(epoll, &found, 1, 0) == 1 && found.data.fd == fd);
  REQUIRE(read(fd, &value, 8) == 8);
}

// Members are (file, number) pairs, and stay when the number is closed while the file has another: so a few
// files are as many members as one likes, without a limit on descriptors.
static void epoll_of(long members, long count) {
  static int files[kFiles];
  char name[32];
  const int epoll = epoll_create1(0);
  const int single = eventfd(0, EFD_NONBLOCK);
  REQUIRE(epoll >= 0 && single >= 0);
  for (int i = 0; i < kFiles; ++i) REQUIRE((files[i] = eventfd(0, 0)) >= 0);
  int64_t adding = 0;
  for (long i = 1; i < members; ++i) {
    const int number = (int)(kFirstNumber + i / kFiles);
    REQUIRE(dup2(files[i % kFiles], number) == number);
    const int64_t start = now_ns();
    control(epoll, EPOLL_CTL_ADD, number);
    adding += now_ns() - start;
    close(number);
  }
  const int64_t start = now_ns();
  control(epoll, EPOLL_CTL_ADD, single);
  adding += now_ns() - start;
  snprintf(name, sizeof name, "epoll_add_%ld", members);
  print_each(name, adding, members);
  int64_t from = now_ns();
  for (long i = 0; i < count; ++i) control(epoll, EPOLL_CTL_MOD, single);
  snprintf(name, sizeof name, "epoll_mod_%ld", members);
  print_each(name, now_ns() - from, count);
  from = now_ns();
  for (long i = 0; i < count; ++i) one_event(epoll, single);
  snprintf(name, sizeof name, "epoll_event_%ld", members);
  print_each(name, now_ns() - from, count);
  close(epoll);
  close(single);
  for (int i = 0; i < kFiles; ++i) close(files[i]);
}

int main(int argc, char** argv) {
  const long count = count_argument(argc, argv, 20000);
  static uint32_t word;
  const int64_t start = now_ns();
  for (long i = 0; i < count; ++i) futex(&word, FUTEX_WAIT, 1, 0, NULL);
  print_each("futex_wait_stale", now_ns() - start, count);
  wake_of(1, count / 10 + 1);
  wake_of(8, count / 40 + 1);
  wake_of(64, count / 200 + 1);
  wake_of(kMostWaiters, count / 1000 + 1);
  epoll_of(1, count);
  epoll_of(1000, count);
  epoll_of(100000, count);
  return 0;
}

// Ping-pong of two threads, one way: raw futex, condition variable, semaphore, eventfd, an eventfd and a pipe
// through epoll, and sched_yield. A sample is the mean of a batch of ten rounds; those of "wake to run" are
// single ones, from before the wake to behind the sleeper's call. Built with glibc and, static, with musl.
#include "guest.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/futex.h>

enum { kBatch = 10 };

static long rounds;

// ---- futex ----

static uint32_t turn;

static void futex_side(uint32_t mine) {
  while (__atomic_load_n(&turn, __ATOMIC_ACQUIRE) != mine) {
    syscall(SYS_futex, &turn, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, !mine, NULL, NULL, 0);
  }
  __atomic_store_n(&turn, !mine, __ATOMIC_RELEASE);
  syscall(SYS_futex, &turn, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, NULL, NULL, 0);
}

// ---- condition variable, semaphore ----

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static uint32_t whose;

static void condvar_side(uint32_t mine) {
  pthread_mutex_lock(&lock);
  while (whose != mine) pthread_cond_wait(&changed, &lock);
  whose = !mine;
  pthread_cond_signal(&changed);
  pthread_mutex_unlock(&lock);
}

static sem_t semaphores[2];

static void semaphore_side(uint32_t mine) {
  REQUIRE(sem_wait(&semaphores[mine]) == 0 && sem_post(&semaphores[!mine]) == 0);
}

// ---- descriptors ----

static int events[2];
static int event_epolls[2];
static int pipes[2][2];
static int pipe_epolls[2];

static void eventfd_side(uint32_t mine) {
  uint64_t value = 1;
  REQUIRE(read(events[mine], &value, 8) == 8);
  REQUIRE(write(events[!mine], &value, 8) == 8);
}

static void through_epoll(int epoll, int from, int to) {
  uint64_t value = 1;
  struct epoll_event found;
  REQUIRE(epoll_wait(epoll, &found, 1, -1) == 1);
  REQUIRE(read(from, &value, 8) == 8);
  REQUIRE(write(to, &value, 8) == 8);
}

static void epoll_side(uint32_t mine) {
  through_epoll(event_epolls[mine], events[mine], events[!mine]);
}

static void pipe_side(uint32_t mine) {
  through_epoll(pipe_epolls[mine], pipes[mine][0], pipes[!mine][1]);
}

static void yield_side(uint32_t mine) {
  (void)mine;
  sched_yield();
}

// ---- both sides ----

static void (*side)(uint32_t);

static void* second(void* unused) {
  for (long i = 0; i < rounds; ++i) side(1);
  return unused;
}

static void measure(const char* name, void (*one_side)(uint32_t)) {
  struct distribution* all = calloc(1, sizeof(*all));
  pthread_t thread;
  side = one_side;
  REQUIRE(all != NULL && pthread_create(&thread, NULL, second, NULL) == 0);
  for (long i = 0; i < rounds; i += kBatch) {
    const int64_t start = now_ns();
    for (int j = 0; j < kBatch; ++j) one_side(0);
    record(all, (double)(now_ns() - start) / (2 * kBatch));
  }
  REQUIRE(pthread_join(thread, NULL) == 0);
  print_distribution(name, all);
  free(all);
}

// ---- wake to run ----

static struct distribution latencies;
static int64_t woken_at;

static void futex_stamped(uint32_t mine) {
  while (__atomic_load_n(&turn, __ATOMIC_ACQUIRE) != mine) {
    syscall(SYS_futex, &turn, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, !mine, NULL, NULL, 0);
  }
  if (mine == 1) record(&latencies, (double)(now_ns() - woken_at));
  if (mine == 0) woken_at = now_ns();
  __atomic_store_n(&turn, !mine, __ATOMIC_RELEASE);
  syscall(SYS_futex, &turn, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, NULL, NULL, 0);
}

static void eventfd_stamped(uint32_t mine) {
  uint64_t value = 1;
  REQUIRE(read(events[mine], &value, 8) == 8);
  if (mine == 1) record(&latencies, (double)(now_ns() - woken_at));
  if (mine == 0) woken_at = now_ns();
  REQUIRE(write(events[!mine], &value, 8) == 8);
}

static void measure_latency(const char* name, void (*one_side)(uint32_t)) {
  pthread_t thread;
  side = one_side;
  latencies = (struct distribution){{0}};
  REQUIRE(pthread_create(&thread, NULL, second, NULL) == 0);
  for (long i = 0; i < rounds; ++i) one_side(0);
  REQUIRE(pthread_join(thread, NULL) == 0);
  print_distribution(name, &latencies);
}

static int epoll_of(int fd) {
  const int epoll = epoll_create1(0);
  struct epoll_event want = {.events = EPOLLIN};
  REQUIRE(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &want) == 0);
  return epoll;
}

int main(int argc, char** argv) {
  rounds = (count_argument(argc, argv, 20000) + kBatch - 1) / kBatch * kBatch;
  for (int i = 0; i < 2; ++i) {
    REQUIRE(sem_init(&semaphores[i], 0, i == 0) == 0 && pipe(pipes[i]) == 0);
    events[i] = eventfd(i == 0, 0);
    event_epolls[i] = epoll_of(events[i]);
    pipe_epolls[i] = epoll_of(pipes[i][0]);
  }
  REQUIRE(write(pipes[0][1], "12345678", 8) == 8);
#ifdef __GLIBC__
  measure("futex_handoff", futex_side);
  measure_latency("futex_wake_to_run", futex_stamped);
  measure("condvar_handoff", condvar_side);
  measure("semaphore_handoff", semaphore_side);
  measure("eventfd_handoff", eventfd_side);
  measure_latency("eventfd_wake_to_run", eventfd_stamped);
  measure("epoll_handoff", epoll_side);
  measure("pipe_handoff", pipe_side);
  measure("yield_switch", yield_side);
#else
  measure("condvar_handoff_musl", condvar_side);
  measure("semaphore_handoff_musl", semaphore_side);
#endif
  return 0;
}

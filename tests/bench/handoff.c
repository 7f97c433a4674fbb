// Ping-pong of two threads, one way: raw futex, condition variable, eventfd, eventfd through epoll.
// Built with glibc and, static, with musl.
#include "guest.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/futex.h>

static long rounds;

// ---- futex ----

static uint32_t turn;

static void futex_side(uint32_t mine) {
  for (long i = 0; i < rounds; ++i) {
    while (__atomic_load_n(&turn, __ATOMIC_ACQUIRE) != mine) {
      syscall(SYS_futex, &turn, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, !mine, NULL, NULL, 0);
    }
    __atomic_store_n(&turn, !mine, __ATOMIC_RELEASE);
    syscall(SYS_futex, &turn, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, NULL, NULL, 0);
  }
}

// ---- condition variable ----

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static uint32_t whose;

static void condvar_side(uint32_t mine) {
  pthread_mutex_lock(&lock);
  for (long i = 0; i < rounds; ++i) {
    while (whose != mine) pthread_cond_wait(&changed, &lock);
    whose = !mine;
    pthread_cond_signal(&changed);
  }
  pthread_mutex_unlock(&lock);
}

// ---- eventfd ----

static int events[2];
static int epolls[2];

static void eventfd_side(uint32_t mine) {
  uint64_t value = 1;
  for (long i = 0; i < rounds; ++i) {
    if (mine) REQUIRE(read(events[1], &value, 8) == 8);
    REQUIRE(write(events[!mine], &value, 8) == 8);
    if (!mine) REQUIRE(read(events[0], &value, 8) == 8);
  }
}

static void epoll_side(uint32_t mine) {
  uint64_t value = 1;
  struct epoll_event found;
  for (long i = 0; i < rounds; ++i) {
    if (!mine) REQUIRE(write(events[1], &value, 8) == 8);
    REQUIRE(epoll_wait(epolls[mine], &found, 1, -1) == 1);
    REQUIRE(read(events[mine], &value, 8) == 8);
    if (mine) REQUIRE(write(events[0], &value, 8) == 8);
  }
}

static void (*side)(uint32_t);

static void* second(void* unused) {
  side(1);
  return unused;
}

static void measure(const char* name, void (*both)(uint32_t)) {
  pthread_t thread;
  side = both;
  REQUIRE(pthread_create(&thread, NULL, second, NULL) == 0);
  const int64_t start = now_ns();
  both(0);
  REQUIRE(pthread_join(thread, NULL) == 0);
  print_each(name, now_ns() - start, 2 * rounds);
}

int main(int argc, char** argv) {
  rounds = count_argument(argc, argv, 20000);
  for (int i = 0; i < 2; ++i) {
    events[i] = eventfd(0, 0);
    epolls[i] = epoll_create1(0);
    struct epoll_event want = {.events = EPOLLIN};
    REQUIRE(epoll_ctl(epolls[i], EPOLL_CTL_ADD, events[i], &want) == 0);
  }
  measure("futex_handoff", futex_side);
  measure("condvar_handoff", condvar_side);
  measure("eventfd_handoff", eventfd_side);
  measure("epoll_handoff", epoll_side);
  return 0;
}

// Every waiting primitive of POSIX threads, with and without time-outs. Built for glibc and musl.
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { kThreads = 8, kRounds = 2000 };

static void must(int error, const char* what) {
  if (error == 0) return;
  printf("%s: %s\n", what, strerror(error));
  exit(1);
}
#define MUST(call) must(call, #call)

static struct timespec in_ms(clockid_t clock, long ms) {
  struct timespec t;
  clock_gettime(clock, &t);
  t.tv_nsec += ms * 1000000;
  t.tv_sec += t.tv_nsec / 1000000000;
  t.tv_nsec %= 1000000000;
  return t;
}

static void start(pthread_t* threads, int n, void* (*body)(void*)) {
  for (long i = 0; i < n; i++) MUST(pthread_create(&threads[i], NULL, body, (void*)i));
}

static void join(pthread_t* threads, int n) {
  for (int i = 0; i < n; i++) MUST(pthread_join(threads[i], NULL));
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static pthread_t threads[64];
static long counter;

static void* count(void* arg) {
  (void)arg;
  for (int i = 0; i < kRounds; i++) {
    pthread_mutex_lock(&mutex);
    counter++;
    pthread_mutex_unlock(&mutex);
  }
  return NULL;
}

static void* timed_lock(void* arg) {
  struct timespec t = in_ms(CLOCK_REALTIME, 20);
  *(int*)arg = pthread_mutex_timedlock(&mutex, &t);
  return NULL;
}

static void test_mutex(void) {
  counter = 0;
  start(threads, kThreads, count);
  join(threads, kThreads);
  printf("mutex: %ld\n", counter);
  int result = -1;
  pthread_mutex_lock(&mutex);
  MUST(pthread_create(&threads[0], NULL, timed_lock, &result));
  join(threads, 1);
  printf("timedlock: %d, trylock: %d\n", result == ETIMEDOUT,
         pthread_mutex_trylock(&mutex) == EBUSY);
  pthread_mutex_unlock(&mutex);
  pthread_mutexattr_t attr;
  pthread_mutexattr_init(&attr);
  pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ERRORCHECK);
  pthread_mutex_t checked;
  MUST(pthread_mutex_init(&checked, &attr));
  MUST(pthread_mutex_lock(&checked));
  printf("errorcheck: %d", pthread_mutex_lock(&checked) == EDEADLK);
  MUST(pthread_mutex_unlock(&checked));
  printf(" %d\n", pthread_mutex_unlock(&checked) == EPERM);
}

static pthread_mutex_t special;

static void* take_and_die(void* arg) {
  (void)arg;
  MUST(pthread_mutex_lock(&special));
  return NULL;
}

static void* count_special(void* arg) {
  (void)arg;
  for (int i = 0; i < 200; i++) {
    MUST(pthread_mutex_lock(&special));
    counter++;
    if (i % 10 == 0) usleep(10);
    MUST(pthread_mutex_unlock(&special));
  }
  return NULL;
}

static void test_special_mutexes(void) {
  pthread_mutexattr_t attr;
  pthread_mutexattr_init(&attr);
  MUST(pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST));
  MUST(pthread_mutex_init(&special, &attr));
  start(threads, 1, take_and_die);
  join(threads, 1);
  printf("robust: owner died %d", pthread_mutex_lock(&special) == EOWNERDEAD);
  MUST(pthread_mutex_consistent(&special));
  MUST(pthread_mutex_unlock(&special));
  printf(", usable again %d\n", pthread_mutex_lock(&special));
  MUST(pthread_mutex_unlock(&special));
  MUST(pthread_mutex_destroy(&special));
}

static void test_priority_inheritance(void) {
  pthread_mutexattr_t attr;
  pthread_mutexattr_init(&attr);
  int error = pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT);
  MUST(error);
  MUST(pthread_mutex_init(&special, &attr));
  counter = 0;
  start(threads, 4, count_special);
  join(threads, 4);
  printf("priority inheritance: %ld\n", counter);
}

static int turn;

static void* take_turns(void* arg) {
  int me = (int)(long)arg;
  for (int i = 0; i < 500; i++) {
    pthread_mutex_lock(&mutex);
    while (turn % 4 != me) pthread_cond_wait(&cond, &mutex);
    turn++;
    pthread_cond_broadcast(&cond);
    pthread_mutex_unlock(&mutex);
  }
  return NULL;
}

static int woken, sleeping;

static void* wait_for_signal(void* arg) {
  (void)arg;
  pthread_mutex_lock(&mutex);
  sleeping++;
  int before = turn;
  while (turn == before) pthread_cond_wait(&cond, &mutex);
  woken++;
  pthread_mutex_unlock(&mutex);
  return NULL;
}

static void test_cond(void) {
  turn = 0;
  start(threads, 4, take_turns);
  join(threads, 4);
  printf("cond: %d turns\n", turn);
  start(threads, kThreads, wait_for_signal);
  for (;;) {
    pthread_mutex_lock(&mutex);
    int ready = sleeping;
    pthread_mutex_unlock(&mutex);
    if (ready == kThreads) break;
    usleep(1000);
  }
  pthread_mutex_lock(&mutex);
  turn++;
  for (int i = 0; i < kThreads; i++) pthread_cond_signal(&cond);
  pthread_mutex_unlock(&mutex);
  join(threads, kThreads);
  printf("signalled: %d\n", woken);
  const clockid_t clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC};
  for (int i = 0; i < 2; i++) {
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    MUST(pthread_condattr_setclock(&attr, clocks[i]));
    pthread_cond_t timed;
    MUST(pthread_cond_init(&timed, &attr));
    struct timespec until = in_ms(clocks[i], 30), now;
    pthread_mutex_lock(&mutex);
    int error;
    while ((error = pthread_cond_timedwait(&timed, &mutex, &until)) == 0) {
    }
    pthread_mutex_unlock(&mutex);
    clock_gettime(clocks[i], &now);
    int late =
        now.tv_sec > until.tv_sec || (now.tv_sec == until.tv_sec && now.tv_nsec >= until.tv_nsec);
    printf("timedwait: timed out %d, not early %d\n", error == ETIMEDOUT, late);
  }
}

static pthread_barrier_t barrier;
static int phase[16], serial;

static void* phases(void* arg) {
  (void)arg;
  for (int i = 0; i < 16; i++) {
    __atomic_add_fetch(&phase[i], 1, __ATOMIC_SEQ_CST);
    if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD)
      __atomic_add_fetch(&serial, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&phase[i], __ATOMIC_SEQ_CST) != kThreads) printf("barrier is leaky\n");
  }
  return NULL;
}

static void test_barrier(void) {
  MUST(pthread_barrier_init(&barrier, NULL, kThreads));
  start(threads, kThreads, phases);
  join(threads, kThreads);
  MUST(pthread_barrier_destroy(&barrier));
  printf("barrier: %d serial threads\n", serial);
}

static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static long left, right;

static void* read_or_write(void* arg) {
  for (int i = 0; i < 500; i++) {
    if ((long)arg % 4 == 0) {
      pthread_rwlock_wrlock(&rwlock);
      left++;
      if (i % 50 == 0) usleep(100);
      right++;
    } else {
      pthread_rwlock_rdlock(&rwlock);
      if (left != right) printf("rwlock: torn read\n");
    }
    pthread_rwlock_unlock(&rwlock);
  }
  return NULL;
}

static void* timed_rwlocks(void* arg) {
  (void)arg;
  struct timespec t = in_ms(CLOCK_REALTIME, 10);
  int r = pthread_rwlock_timedrdlock(&rwlock, &t);
  t = in_ms(CLOCK_REALTIME, 10);
  int w = pthread_rwlock_timedwrlock(&rwlock, &t);
  printf("timed rwlock: %d %d\n", r == ETIMEDOUT, w == ETIMEDOUT);
  return NULL;
}

static void test_rwlock(void) {
  start(threads, kThreads, read_or_write);
  join(threads, kThreads);
  printf("rwlock: %ld %ld\n", left, right);
  pthread_rwlock_wrlock(&rwlock);
  start(threads, 1, timed_rwlocks);
  join(threads, 1);
  pthread_rwlock_unlock(&rwlock);
}

static sem_t full, empty;
static int slot, sum;

static void* produce(void* arg) {
  (void)arg;
  for (int i = 1; i <= 1000; i++) {
    while (sem_wait(&empty) != 0) {
    }
    slot = i;
    sem_post(&full);
  }
  return NULL;
}

static void* consume(void* arg) {
  (void)arg;
  for (int i = 1; i <= 1000; i++) {
    while (sem_wait(&full) != 0) {
    }
    sum += slot;
    sem_post(&empty);
  }
  return NULL;
}

static void test_semaphore(void) {
  MUST(sem_init(&full, 0, 0));
  MUST(sem_init(&empty, 0, 1));
  MUST(pthread_create(&threads[0], NULL, produce, NULL));
  MUST(pthread_create(&threads[1], NULL, consume, NULL));
  join(threads, 2);
  struct timespec t = in_ms(CLOCK_REALTIME, 20);
  int timed = sem_timedwait(&full, &t), error = errno;
  printf("semaphore: %d, timed %d %d, try %d\n", sum, timed, error == ETIMEDOUT,
         sem_trywait(&full));
}

static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int destroyed, initialised, cleaned;

static void destroy(void* value) {
  __atomic_add_fetch(&destroyed, (int)(long)value, __ATOMIC_SEQ_CST);
}
static void initialise(void) {
  initialised++;
  usleep(2000);
}
static void clean(void* arg) { *(int*)arg += 1; }

static void* with_key(void* arg) {
  (void)arg;
  pthread_once(&once, initialise);
  pthread_setspecific(key, (void*)1L);
  return NULL;
}

static void* sleep_long(void* arg) {
  pthread_cleanup_push(clean, &cleaned);
  if (arg) {
    for (;;) sleep(1000);
  }
  pthread_mutex_t own = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t never = PTHREAD_COND_INITIALIZER;
  pthread_mutex_lock(&own);
  for (;;) pthread_cond_wait(&never, &own);
  pthread_cleanup_pop(0);
  return NULL;
}

static void test_rest(void) {
  MUST(pthread_key_create(&key, destroy));
  start(threads, 16, with_key);
  join(threads, 16);
  printf("once: %d, destructors: %d\n", initialised, destroyed);
  for (long i = 0; i < 2; i++) {
    void* result;
    MUST(pthread_create(&threads[0], NULL, sleep_long, (void*)i));
    usleep(10000);
    MUST(pthread_cancel(threads[0]));
    MUST(pthread_join(threads[0], &result));
    printf("cancelled: %d, cleaned: %d\n", result == PTHREAD_CANCELED, cleaned);
  }
  for (int round = 0; round < 20; round++) {
    start(threads, 64, with_key);
    join(threads, 64);
  }
  printf("many threads: %d\n", destroyed);
}

int main(int argc, char** argv) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (argc > 1 && strcmp(argv[1], "pi") == 0) {
    test_priority_inheritance();
    return 0;
  }
  test_mutex();
  test_special_mutexes();
  test_cond();
  test_barrier();
  test_rwlock();
  test_semaphore();
  test_rest();
  return 0;
}

// H12: the last worker counts itself off without the mutex of the one who waits for that.
//
// Seen in: bulk_extractor, thread_pool::join, https://github.com/simsong/bulk_extractor/issues/678
// Bug: join() tests the number of workers under a mutex and then waits; a worker decrements an atomic and
//   notifies without that mutex. Between the test and the wait, nobody is notified.
// Oracle: a hang: no worker is left, and join() waits.
// Fix: the number changes under the mutex.
#include "race.h"

enum { kWorkers = 3 };

static futex_word sequence;  // of a condition variable, in its simplest form
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static atomic_int running = kWorkers;

static void condition_wait(void) {
  const uint32_t seen = atomic_load(&sequence);
  pthread_mutex_unlock(&mutex);
  futex_wait(&sequence, seen);
  pthread_mutex_lock(&mutex);
}

static void condition_broadcast(void) { count_up(&sequence); }

static void* worker(void* unused) {
  work();
#ifdef FIXED
  pthread_mutex_lock(&mutex);
  atomic_fetch_sub(&running, 1);
  pthread_mutex_unlock(&mutex);
#else
  atomic_fetch_sub(&running, 1);
#endif
  condition_broadcast();
  return unused;
}

int main(void) {
  pthread_t workers[kWorkers];
  for (int i = 0; i < kWorkers; ++i) workers[i] = start(worker, NULL);
  pthread_mutex_lock(&mutex);
  while (atomic_load(&running) > 0) {
    sched_yield();  // y: between the test and the wait
    condition_wait();
  }
  pthread_mutex_unlock(&mutex);
  for (int i = 0; i < kWorkers; ++i) join(workers[i]);
  return 0;
}

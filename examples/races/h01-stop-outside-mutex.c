// H01: a thread pool is told to stop without its mutex.
//
// Seen in: thread-pool, https://github.com/bshoshany/thread-pool/issues/93; TiFlash, capy, and many others
// Bug: a worker holds the mutex, sees neither work nor the stop flag, and is about to sleep. The flag is
//   set and everybody notified in between, without the mutex: nobody sleeps yet, and the worker then
//   sleeps for ever.
// Oracle: a hang: the pool is joined, and a worker waits.
// Fix: the flag is set under the mutex.
#include "race.h"

enum { kJobs = 3, kWorkers = 2 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static atomic_bool stopping;
static int jobs, done;

static void* worker(void* unused) {
  pthread_mutex_lock(&mutex);
  for (;;) {
    while (jobs == 0 && !atomic_load(&stopping)) {
      sched_yield();  // y: between the test and the wait
      pthread_cond_wait(&changed, &mutex);
    }
    if (jobs == 0) break;
    --jobs;
    pthread_mutex_unlock(&mutex);
    work();
    pthread_mutex_lock(&mutex);
    ++done;
  }
  pthread_mutex_unlock(&mutex);
  return unused;
}

static void submit(void) {
  pthread_mutex_lock(&mutex);
  ++jobs;
  pthread_mutex_unlock(&mutex);
  pthread_cond_signal(&changed);
}

static void stop(void) {
#ifdef FIXED
  pthread_mutex_lock(&mutex);
  atomic_store(&stopping, true);
  pthread_mutex_unlock(&mutex);
#else
  atomic_store(&stopping, true);
#endif
  pthread_cond_broadcast(&changed);
}

int main(void) {
  pthread_t workers[kWorkers];
  for (int i = 0; i < kWorkers; ++i) workers[i] = start(worker, NULL);
  for (int i = 0; i < kJobs; ++i) {
    submit();
    work();
  }
  stop();
  for (int i = 0; i < kWorkers; ++i) join(workers[i]);
  check(done == kJobs, "a job was lost");
  return 0;
}

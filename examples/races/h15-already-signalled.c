// H15: "somebody has signalled already" is read at the wrong time.
//
// Seen in: WiredTiger, __wt_cond_signal, https://github.com/wiredtiger/wiredtiger/pull/3098
// Bug: the number of waiters is -1 where a signal came before its waiter. The signaller reads it twice: it
//   takes the fast path if it is not above 0 and cannot be swapped from 0 to -1, meaning "it is -1
//   already". In between it went from 0 to 1: nobody is told.
// Oracle: a hang.
// Fix: one read, and the fast path for -1 or a swap that worked.
#include "race.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static atomic_int waiters;
static bool signalled;

static void wait_for_signal(void) {
  if (atomic_fetch_add(&waiters, 1) == -1) return;  // it came before
  pthread_mutex_lock(&mutex);
  while (!signalled) pthread_cond_wait(&condition, &mutex);
  signalled = false;
  pthread_mutex_unlock(&mutex);
  atomic_fetch_sub(&waiters, 1);
}

static void wake(void) {
  pthread_mutex_lock(&mutex);
  signalled = true;
  pthread_cond_broadcast(&condition);
  pthread_mutex_unlock(&mutex);
}

static void signal_one(void) {
#ifdef FIXED
  int none = 0;
  if (atomic_load(&waiters) == -1 || atomic_compare_exchange_strong(&waiters, &none, -1)) return;
  wake();
#else
  if (atomic_load(&waiters) > 0) return wake();
  sched_yield();  // y: between the two reads
  int none = 0;
  atomic_compare_exchange_strong(&waiters, &none, -1);
#endif
}

static void* waiter(void* unused) {
  work();
  wait_for_signal();
  return unused;
}

int main(void) {
  const pthread_t thread = start(waiter, NULL);
  work();
  signal_one();
  join(thread);
  return 0;
}

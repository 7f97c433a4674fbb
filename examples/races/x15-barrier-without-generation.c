// X15: the condition "all are here" is false again before everybody has seen it.
//
// Seen: barriers used in a loop; two real ones are F25 and F39.
// Bug: the waiters of a barrier wait until the count of arrivals is a multiple of their number. The
//   first of them to leave comes round again, and the count is no multiple any more for those who
//   still look.
// Oracle: a hang: one thread is a round behind.
// Fix: wait until the *round* is another one.
#include "race.h"

enum { kThreads = 3, kRounds = 3 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t arrived = PTHREAD_COND_INITIALIZER;
static int arrivals;

static void barrier_wait(void) {
  pthread_mutex_lock(&mutex);
  const int round = arrivals / kThreads;
  (void)round;
  ++arrivals;
  pthread_cond_broadcast(&arrived);
#ifdef FIXED
  while (arrivals / kThreads == round) pthread_cond_wait(&arrived, &mutex);
#else
  while (arrivals % kThreads != 0) pthread_cond_wait(&arrived, &mutex);
#endif
  pthread_mutex_unlock(&mutex);
}

static void* walker(void* unused) {
  for (int i = 0; i < kRounds; ++i) barrier_wait();
  return unused;
}

int main(void) {
  pthread_t threads[kThreads];
  for (int i = 0; i < kThreads; ++i) threads[i] = start(walker, NULL);
  for (int i = 0; i < kThreads; ++i) join(threads[i]);
  return 0;
}

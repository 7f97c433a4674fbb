// X05: producers and consumers wait on one condition variable, and only one of them is woken.
//
// Seen: bounded buffers in every language; Java's notify() is known for it.
// Bug: a consumer takes an item and signals "something changed". The one that wakes up is another
//   consumer, for whom nothing has changed: it sleeps again, and the producer was never told.
// Oracle: a hang: the buffer has room, and all producers sleep.
// Fix: a condition variable for each predicate (or wake all).
#include "race.h"

enum { kProducers = 2, kConsumers = 2, kEach = 3 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int items;  // 0 or 1: the buffer has one place

#ifdef FIXED
static pthread_cond_t not_full = PTHREAD_COND_INITIALIZER, not_empty = PTHREAD_COND_INITIALIZER;
#else
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
#define not_full changed
#define not_empty changed
#endif

static void* producer(void* unused) {
  for (int i = 0; i < kEach; ++i) {
    pthread_mutex_lock(&mutex);
    while (items == 1) pthread_cond_wait(&not_full, &mutex);
    items = 1;
    pthread_cond_signal(&not_empty);
    pthread_mutex_unlock(&mutex);
  }
  return unused;
}

static void* consumer(void* unused) {
  for (int i = 0; i < kEach; ++i) {
    pthread_mutex_lock(&mutex);
    while (items == 0) pthread_cond_wait(&not_empty, &mutex);
    items = 0;
    pthread_cond_signal(&not_full);
    pthread_mutex_unlock(&mutex);
  }
  return unused;
}

int main(void) {
  pthread_t threads[kProducers + kConsumers];
  for (int i = 0; i < kConsumers; ++i) threads[i] = start(consumer, NULL);
  for (int i = 0; i < kProducers; ++i) threads[kConsumers + i] = start(producer, NULL);
  for (int i = 0; i < kProducers + kConsumers; ++i) join(threads[i]);
  return 0;
}

// X04: between the signal and the waiter's return somebody else takes the item.
//
// Seen: queues with several consumers, the classic "barging".
// Bug: pthread_cond_wait has to take the mutex again before it returns. A consumer that comes just
//   then is faster and takes the item that the signal was about. The woken one does not look again.
// Oracle: an item is taken from an empty queue.
// Fix: `while` instead of `if`.
#include "race.h"

enum { kConsumers = 2, kItems = 4 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t added = PTHREAD_COND_INITIALIZER;
static int queued;

static void take(void) {
  pthread_mutex_lock(&mutex);
#ifdef FIXED
  while (queued == 0) pthread_cond_wait(&added, &mutex);
#else
  if (queued == 0) pthread_cond_wait(&added, &mutex);
#endif
  check(queued > 0, "an item was taken from an empty queue");
  --queued;
  pthread_mutex_unlock(&mutex);
}

static void* consumer(void* unused) {
  for (int i = 0; i < kItems / kConsumers; ++i) {
    work();
    take();
  }
  return unused;
}

int main(void) {
  pthread_t threads[kConsumers];
  for (int i = 0; i < kConsumers; ++i) threads[i] = start(consumer, NULL);
  for (int i = 0; i < kItems; ++i) {
    work();
    pthread_mutex_lock(&mutex);
    ++queued;
    pthread_mutex_unlock(&mutex);
    pthread_cond_signal(&added);
  }
  for (int i = 0; i < kConsumers; ++i) join(threads[i]);
  return 0;
}

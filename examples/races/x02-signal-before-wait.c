// X02: a condition variable is signalled before anybody waits for it.
//
// Seen: in most first programs with condition variables.
// Bug: a condition variable has no memory. Without a variable that says "it has happened", a signal
//   that comes before the wait is lost.
// Oracle: a hang in pthread_cond_wait.
// Fix: a predicate, changed and tested under the mutex.
#include "race.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t happened = PTHREAD_COND_INITIALIZER;
static bool done;

static void* signaller(void* unused) {
  work();
  pthread_mutex_lock(&mutex);
  done = true;
  pthread_cond_signal(&happened);
  pthread_mutex_unlock(&mutex);
  return unused;
}

int main(void) {
  const pthread_t other = start(signaller, NULL);
  work();
  pthread_mutex_lock(&mutex);
#ifdef FIXED
  while (!done) pthread_cond_wait(&happened, &mutex);
#else
  pthread_cond_wait(&happened, &mutex);
#endif
  pthread_mutex_unlock(&mutex);
  join(other);
  return done ? 0 : 1;
}

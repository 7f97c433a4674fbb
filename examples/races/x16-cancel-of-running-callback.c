// X16: a timer is cancelled while its callback is on its way.
//
// Seen: close() of anything that has a timer, in every event library; T09 and T15 are relatives.
// Bug: the timer thread takes the callback off the list, drops the lock and calls it. The owner
//   cancels in between: the timer is not on the list any more, so there is nothing to cancel, and
//   the owner frees what the callback is about to use.
// Oracle: a callback runs after its cancel has returned.
// Fix: a cancel that waits until a running callback has finished.
#include "race.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t idle = PTHREAD_COND_INITIALIZER;
static bool armed, running;
static atomic_bool alive;  // the object that the callback uses

static void callback(void) { check(alive, "a callback ran after its cancel, on a freed object"); }

static void* timer_thread(void* unused) {
  sleep_ns(10 * NS_PER_MS);
  pthread_mutex_lock(&mutex);
  const bool call = armed;
  armed = false;
  running = call;
  pthread_mutex_unlock(&mutex);
  work();
  if (call) callback();
  pthread_mutex_lock(&mutex);
  running = false;
  pthread_cond_signal(&idle);
  pthread_mutex_unlock(&mutex);
  return unused;
}

static void cancel(void) {
  pthread_mutex_lock(&mutex);
  armed = false;
#ifdef FIXED
  while (running) pthread_cond_wait(&idle, &mutex);
#endif
  pthread_mutex_unlock(&mutex);
}

int main(void) {
  alive = armed = true;
  const pthread_t thread = start(timer_thread, NULL);
  sleep_ns(10 * NS_PER_MS);
  cancel();
  alive = false;
  join(thread);
  return 0;
}

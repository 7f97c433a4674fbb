// F25: a fast thread starts the next round of a barrier before a slow one has left the last.
//
// Seen in: libuv, uv_barrier_wait, https://github.com/libuv/libuv/commit/964f79f7c (issue 3872)
// Bug: the last to arrive sets `in` back to 0, which is what the others wait for. A fast thread
//   comes round again and makes it 1 before the slow one has got the mutex. The slow one sees 1 and
//   sleeps again; it never counts itself out.
// Oracle: a hang in the next round.
// Fix: a round starts only when all are out of the last one.
#include "race.h"

enum { kThreads = 2, kRounds = 4 };

static struct {
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  int in;   // arrived in this round
  int out;  // still to leave the last round
} barrier = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0};

static void barrier_wait(void) {
  pthread_mutex_lock(&barrier.mutex);
#ifdef FIXED
  while (barrier.out > 0) pthread_cond_wait(&barrier.changed, &barrier.mutex);
#endif
  if (++barrier.in == kThreads) {
    barrier.in = 0;
    barrier.out = kThreads;
    pthread_cond_broadcast(&barrier.changed);
  } else {
    do pthread_cond_wait(&barrier.changed, &barrier.mutex);
    while (barrier.in != 0);
  }
  if (--barrier.out == 0) pthread_cond_broadcast(&barrier.changed);
  pthread_mutex_unlock(&barrier.mutex);
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

// X07: the word changes twice, and looks as if it had not changed.
//
// Seen: notifications by a toggled bit; the same error inside libraries is F11.
// Bug: each new frame flips the word. Two frames come while the consumer is between its look at the
//   word and its sleep: the word is as before, and the consumer sleeps with two frames to show.
// Oracle: a hang with frames in the queue.
// Fix: count instead of flipping.
#include "race.h"

enum { kFrames = 4 };

static futex_word word;
static atomic_int frames;

static void* producer(void* unused) {
  for (int i = 0; i < kFrames; ++i) {
    atomic_fetch_add(&frames, 1);
#ifdef FIXED
    atomic_fetch_add(&word, 1);
#else
    atomic_fetch_xor(&word, 1);
#endif
    futex_wake(&word, 1);
  }
  return unused;
}

int main(void) {
  const pthread_t other = start(producer, NULL);
  for (int shown = 0; shown < kFrames;) {
    const uint32_t seen = atomic_load(&word);
    const int ready = atomic_load(&frames);
    if (ready == shown) futex_wait(&word, seen);
    while (shown < ready) {
      work();
      ++shown;
    }
  }
  join(other);
  return 0;
}

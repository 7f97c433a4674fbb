// F01: a slow waiter takes the signal that was meant for somebody who came much later.
//
// Seen in: glibc, pthread_cond_signal, https://sourceware.org/bugzilla/show_bug.cgi?id=25847, which
//   hung OCaml's master lock, .NET and Python; fixed in 2.41,
//   https://github.com/bminor/glibc/commit/1db84775f8
// Bug: waiters come in groups, kept in two slots that take turns: one is being signalled, one
//   collects new waiters. When all of a group are signalled, its slot is used again. A waiter sees
//   a signal in its slot and is held up before it takes it. The slots change twice: its slot holds
//   another group, again with one signal (A, B, A). It takes that one, and the waiter it was for
//   sleeps on. (This is a model: the real one also lets the thief give a signal back, which can go
//   wrong as well.)
// Oracle: a hang of the three users of a master lock like OCaml's.
// Fix: the signal count carries the number of its group, so that the exchange fails.
#include "race.h"

enum { kThreads = 3, kTurns = 4, kRound = 1 << 16 };

struct condvar {              // all but `word` under the caller's mutex
  futex_word word[2];         // signals that are not taken yet; with FIXED, plus round * kRound
  _Atomic uint32_t round[2];  // how often each slot was closed
  int unsignalled[2];         // waiters of each slot for whom no signal has come
  int open;                   // the slot that collects new waiters
};

static uint32_t group_part(uint32_t round) {
#ifdef FIXED
  return round * kRound;
#else
  return round * 0;
#endif
}

static void condvar_wait(struct condvar* condvar, pthread_mutex_t* mutex) {
  const int slot = condvar->open;
  const uint32_t round = condvar->round[slot], empty = group_part(round);
  ++condvar->unsignalled[slot];
  pthread_mutex_unlock(mutex);
  while (atomic_load(&condvar->round[slot]) == round) {  // else all of our group are signalled
    uint32_t word = atomic_load(&condvar->word[slot]);
    if (word == empty) {
      futex_wait(&condvar->word[slot], empty);
      continue;
    }
    sched_yield();  // y: before the step that may steal
    if (atomic_compare_exchange_strong(&condvar->word[slot], &word, word - 1)) break;
  }
  pthread_mutex_lock(mutex);
}

static void condvar_signal(struct condvar* condvar) {
  int slot = !condvar->open;
  if (condvar->unsignalled[slot] == 0) {
    if (condvar->unsignalled[!slot] == 0) return;
    const uint32_t round = atomic_fetch_add(&condvar->round[slot], 1) + 1;
    announce(&condvar->word[slot], group_part(round));  // the rest of the old group leaves
    condvar->open = slot;
    slot = !slot;
  }
  --condvar->unsignalled[slot];
  atomic_fetch_add(&condvar->word[slot], 1);
  futex_wake(&condvar->word[slot], 1);
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct condvar is_free;
static bool busy;

static void master_lock(void) {
  pthread_mutex_lock(&mutex);
  while (busy) condvar_wait(&is_free, &mutex);
  busy = true;
  pthread_mutex_unlock(&mutex);
}

static void master_unlock(void) {
  pthread_mutex_lock(&mutex);
  busy = false;
  condvar_signal(&is_free);
  pthread_mutex_unlock(&mutex);
}

static void* user(void* unused) {
  for (int i = 0; i < kTurns; ++i) {
    master_lock();
    work();
    master_unlock();
    sched_yield();  // OCaml's Thread.yield()
  }
  return unused;
}

int main(void) {
  pthread_t threads[kThreads];
  for (int i = 0; i < kThreads; ++i) threads[i] = start(user, NULL);
  for (int i = 0; i < kThreads; ++i) join(threads[i]);
  return 0;
}

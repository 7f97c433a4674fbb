// F11: between the unlock and the sleep, the word goes from 1 to 0 and to 1 again.
//
// Seen in: musl's first condition variable https://github.com/bminor/musl/commit/97c5b5a8, and
//   SBCL,
//   http://repo.macrolet.net/gitweb/?a=commit&h=93ed7777d86296768a1e98acd5b08873c5aec8e4&p=sbcl.git
// Bug: a waiter sets the word to 1 and sleeps while it is 1; a signal sets it to 0. Another waiter
//   that comes after the signal sets it to 1 again, and the first goes to sleep although it was
//   signalled.
//
//       ping                               pong
//       word = 1; unlock
//                                          word = 0; wake: nobody sleeps yet
//                                          waits for the answer: word = 1
//       futex_wait(word, 1): sleeps
//
// Oracle: a hang: each waits for the other's signal.
// Fix: a number that only grows: the signal counts it up, and the waiter sleeps on what it saw.
#include "race.h"

enum { kTurns = 6 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static futex_word condition;
static int turn;  // even: ping's; odd: pong's

static void condition_wait(void) {
#ifdef FIXED
  const uint32_t token = condition;
#else
  const uint32_t token = 1;
  condition = token;
#endif
  pthread_mutex_unlock(&mutex);
  futex_wait(&condition, token);
  pthread_mutex_lock(&mutex);
}

static void condition_signal(void) {
#ifdef FIXED
  ++condition;
#else
  condition = 0;
#endif
  futex_wake(&condition, 1);
}

static void* player(void* pong) {
  for (int mine = pong ? 1 : 0; mine < kTurns; mine += 2) {
    pthread_mutex_lock(&mutex);
    while (turn != mine) condition_wait();
    ++turn;
    condition_signal();
    pthread_mutex_unlock(&mutex);
  }
  return NULL;
}

int main(void) {
  const pthread_t pong = start(player, &turn);
  player(NULL);
  join(pong);
  return 0;
}

// F31: a wake-up is booked for a waiter which times out at the same moment.
//
// Seen in: wasmtime, ParkingSpot, https://github.com/bytecodealliance/wasmtime/pull/5871
// Bug: unpark() books one wake-up for a thread that is parked, and signals. The thread has just
//   timed out: it leaves without taking what was booked. Now more wake-ups are booked than threads
//   are parked: the real code panics on the subtraction, or the next one to park returns at once.
// Oracle: more wake-ups booked than threads parked.
// Fix: a thread that times out takes a booked wake-up along, and says it was woken.
#include "race.h"

enum { kRounds = 4 };

static const int64_t kPatience = 10 * NS_PER_MS;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t unparked = PTHREAD_COND_INITIALIZER;
static int parked, booked;
static futex_word begun;          // rounds
static _Atomic int64_t deadline;  // of this round

/// True if somebody has unparked us before the deadline.
static bool park(void) {
  pthread_mutex_lock(&mutex);
  ++parked;
  const struct timespec until = {deadline / NS_PER_S, deadline % NS_PER_S};
  bool in_time = true;
  while (booked == 0 && in_time)
    in_time = pthread_cond_clockwait(&unparked, &mutex, CLOCK_MONOTONIC, &until) != ETIMEDOUT;
#ifdef FIXED
  in_time = booked > 0;
#endif
  if (in_time) --booked;
  --parked;
  check(booked <= parked, "a wake-up is booked for a thread that has left");
  pthread_mutex_unlock(&mutex);
  return in_time;
}

static void unpark(void) {
  pthread_mutex_lock(&mutex);
  if (booked < parked) {
    ++booked;
    pthread_cond_signal(&unparked);
  }
  pthread_mutex_unlock(&mutex);
}

static void* unparker(void* unused) {
  for (uint32_t i = 1; i <= kRounds; ++i) {
    await(&begun, i);
    sleep_until(deadline);
    unpark();
  }
  return unused;
}

int main(void) {
  const pthread_t other = start(unparker, NULL);
  for (uint32_t i = 1; i <= kRounds; ++i) {
    atomic_store(&deadline, now_ns(CLOCK_MONOTONIC) + kPatience);
    announce(&begun, i);
    park();
  }
  join(other);
  return 0;
}

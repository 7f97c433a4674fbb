// F05: a writer gives up waiting, and the readers that queued behind it are forgotten.
//
// Seen in: glibc, pthread_rwlock_timedwrlock with writers preferred,
//   https://github.com/bminor/glibc/commit/3c9c61febe
// Bug: one reader has the lock. A writer queues for 10 ms. A second reader queues behind the
//   writer, as writers go first. The writer times out and leaves; nobody tells the second reader
//   that it may go.
// Oracle: a hang: a reader waits although only a reader has the lock, and that one waits for the
//   other.
// Fix: a writer that leaves wakes the readers, if no writer is left in the queue.
#include "race.h"

static struct {
  pthread_mutex_t guard;
  bool writer;
  int readers, queued_writers;
  futex_word changes;  // everybody waits here
} rwlock = {.guard = PTHREAD_MUTEX_INITIALIZER};

static futex_word second_reader_in;

static void tell_all(void) { announce(&rwlock.changes, rwlock.changes + 1); }

/// Waits without the guard for a change: 0 or an error of futex_wait.
static int wait_for_change(int64_t ns) {
  const uint32_t seen = rwlock.changes;
  pthread_mutex_unlock(&rwlock.guard);
  const int error =
      ns < 0 ? futex_wait(&rwlock.changes, seen) : futex_wait_for(&rwlock.changes, seen, ns);
  pthread_mutex_lock(&rwlock.guard);
  return error;
}

static void read_lock(void) {
  pthread_mutex_lock(&rwlock.guard);
  while (rwlock.writer || rwlock.queued_writers > 0) wait_for_change(-1);
  ++rwlock.readers;
  pthread_mutex_unlock(&rwlock.guard);
}

static void unlock(void) {
  pthread_mutex_lock(&rwlock.guard);
  if (rwlock.writer)
    rwlock.writer = false;
  else
    --rwlock.readers;
  tell_all();
  pthread_mutex_unlock(&rwlock.guard);
}

static bool timed_write_lock(int64_t ns) {
  pthread_mutex_lock(&rwlock.guard);
  ++rwlock.queued_writers;
  bool in_time = true;
  while (in_time && (rwlock.writer || rwlock.readers > 0))
    in_time = wait_for_change(ns) != ETIMEDOUT;
  --rwlock.queued_writers;
  if (in_time) rwlock.writer = true;
#ifdef FIXED
  if (!in_time) tell_all();
#endif
  pthread_mutex_unlock(&rwlock.guard);
  return in_time;
}

static void* writer(void* unused) {
  if (timed_write_lock(10 * NS_PER_MS)) unlock();
  return unused;
}

static void* second_reader(void* unused) {
  work();
  read_lock();
  announce(&second_reader_in, 1);
  unlock();
  return unused;
}

int main(void) {
  read_lock();
  const pthread_t two = start(second_reader, NULL), one = start(writer, NULL);
  await(&second_reader_in, 1);
  unlock();
  join(one);
  join(two);
  return 0;
}

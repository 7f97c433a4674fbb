// F03: a try-lock that succeeds wipes out the mark "somebody sleeps here".
//
// Seen in: glibc, pthread_rwlock_trywrlock, BZ 23844,
//   https://github.com/bminor/glibc/commit/5fc9ed4c40
// Bug: readers wait for the end of a write phase on a futex, and set a bit in it so that the last
//   writer knows to wake them. A writer that unlocks while another one is queued leaves the write
//   phase on. trywrlock comes in between, takes the lock, and stores the plain value "write phase":
//   the bit is gone, and the last writer's unlock wakes nobody.
// Oracle: a hang: a reader sleeps at a lock that is free.
// Fix: store the value only if this call has *begun* the write phase.
#include "race.h"

enum { kWritePhase = 1, kUsed = 2 };

static struct {
  pthread_mutex_t guard;
  bool writer;
  int readers, queued_writers;
  futex_word phase;    // kWritePhase or 0, with kUsed if a reader sleeps on it
  futex_word handoff;  // counts the times that a writer may go
} rwlock = {.guard = PTHREAD_MUTEX_INITIALIZER};

static bool take_if_free(void) {
  if (rwlock.writer || rwlock.readers > 0) return false;
  rwlock.writer = true;
  return true;
}

static void write_lock(void) {
  pthread_mutex_lock(&rwlock.guard);
  ++rwlock.queued_writers;
  while (!take_if_free()) {
    const uint32_t seen = rwlock.handoff;
    pthread_mutex_unlock(&rwlock.guard);
    futex_wait(&rwlock.handoff, seen);
    pthread_mutex_lock(&rwlock.guard);
  }
  --rwlock.queued_writers;
  if (!(rwlock.phase & kWritePhase)) rwlock.phase = kWritePhase;
  pthread_mutex_unlock(&rwlock.guard);
}

static bool try_write_lock(void) {
  pthread_mutex_lock(&rwlock.guard);
  const bool taken = take_if_free();
#ifdef FIXED
  if (taken && !(rwlock.phase & kWritePhase)) rwlock.phase = kWritePhase;
#else
  if (taken) rwlock.phase = kWritePhase;
#endif
  pthread_mutex_unlock(&rwlock.guard);
  return taken;
}

static void write_unlock(void) {
  pthread_mutex_lock(&rwlock.guard);
  rwlock.writer = false;
  const bool to_writer = rwlock.queued_writers > 0;
  uint32_t phase = 0;
  if (to_writer)
    ++rwlock.handoff;
  else
    phase = atomic_exchange(&rwlock.phase, 0);
  pthread_mutex_unlock(&rwlock.guard);
  if (to_writer) futex_wake(&rwlock.handoff, 1);
  if (phase & kUsed) futex_wake(&rwlock.phase, INT_MAX);
}

static void read_lock(void) {
  pthread_mutex_lock(&rwlock.guard);
  while (rwlock.phase & kWritePhase) {
    rwlock.phase |= kUsed;
    pthread_mutex_unlock(&rwlock.guard);
    futex_wait(&rwlock.phase, kWritePhase | kUsed);
    pthread_mutex_lock(&rwlock.guard);
  }
  ++rwlock.readers;
  pthread_mutex_unlock(&rwlock.guard);
}

static void read_unlock(void) {
  pthread_mutex_lock(&rwlock.guard);
  const bool to_writer = --rwlock.readers == 0 && rwlock.queued_writers > 0;
  if (to_writer) ++rwlock.handoff;
  pthread_mutex_unlock(&rwlock.guard);
  if (to_writer) futex_wake(&rwlock.handoff, 1);
}

static void* reader(void* unused) {
  read_lock();
  read_unlock();
  return unused;
}

static void* writer(void* unused) {
  write_lock();
  write_unlock();
  return unused;
}

static void* trier(void* unused) {
  for (int i = 0; i < 4; ++i) {
    if (try_write_lock()) {
      work();
      write_unlock();
    }
    sleep_ns(NS_PER_MS / 2);
  }
  return unused;
}

int main(void) {
  write_lock();
  pthread_t threads[] = {start(reader, NULL), start(writer, NULL), start(trier, NULL)};
  sleep_ns(NS_PER_MS);
  write_unlock();
  for (int i = 0; i < 3; ++i) join(threads[i]);
  return 0;
}

// H05: a reader takes the lock a second time, and a writer has come in between.
//
// Seen in: parking_lot users, https://github.com/Amanieu/parking_lot/issues/212
// Bug: writers are preferred, so that the second read lock of a thread waits for a writer that waits for
//   its first.
// Oracle: a hang.
// Fix: the lock is taken once, outside.
#include "race.h"

enum { kRounds = 3 };

static pthread_rwlock_t lock;
static int value;

static int get(void) {
  pthread_rwlock_rdlock(&lock);
  const int got = value;
  work();
  pthread_rwlock_unlock(&lock);
  return got;
}

static void* reader(void* unused) {
  for (int i = 0; i < kRounds; ++i) {
#ifdef FIXED
    check(get() >= 0, "never negative");
#else
    pthread_rwlock_rdlock(&lock);
    check(get() == value, "changed under a read lock");
    pthread_rwlock_unlock(&lock);
#endif
  }
  return unused;
}

static void* writer(void* unused) {
  for (int i = 0; i < kRounds; ++i) {
    pthread_rwlock_wrlock(&lock);
    ++value;
    work();
    pthread_rwlock_unlock(&lock);
  }
  return unused;
}

int main(void) {
  pthread_rwlockattr_t attributes;
  pthread_rwlockattr_init(&attributes);
  pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
  pthread_rwlock_init(&lock, &attributes);
  const pthread_t reads = start(reader, NULL), writes = start(writer, NULL);
  join(reads);
  join(writes);
  return 0;
}

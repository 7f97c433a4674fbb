// F33: two readers queue for a lock, and the writer that leaves wakes only one.
//
// Seen in: TinyGo, sync.RWMutex https://github.com/tinygo-org/tinygo/pull/2407; Windows has had the
//   same, https://github.com/rust-lang/rust/issues/121949
// Bug: the unlock of a writer resumes one waiter, as is right if that is a writer. If it is a
//   reader, the others could go as well, but stay asleep until that one unlocks. Readers may rely
//   on each other.
// Oracle: a hang: two readers are to meet, and one of them still waits for a lock that no writer
//   has.
// Fix: wake all readers.
#include "race.h"

enum { kReaders = 2 };

#ifdef FIXED
enum { kWoken = INT_MAX };
#else
enum { kWoken = 1 };
#endif

static futex_word writer;  // 1: a writer has the lock
static futex_word met;     // readers that have come to the meeting

static void read_lock(void) {
  while (atomic_load(&writer)) futex_wait(&writer, 1);
}

static void write_unlock(void) {
  atomic_store(&writer, 0);
  futex_wake(&writer, kWoken);
}

static void* reader(void* unused) {
  read_lock();
  count_up(&met);
  await(&met, kReaders);
  return unused;
}

int main(void) {
  atomic_store(&writer, 1);
  pthread_t threads[kReaders];
  for (int i = 0; i < kReaders; ++i) threads[i] = start(reader, NULL);
  for (int i = 0; i < 3; ++i) work();
  write_unlock();
  for (int i = 0; i < kReaders; ++i) join(threads[i]);
  return 0;
}

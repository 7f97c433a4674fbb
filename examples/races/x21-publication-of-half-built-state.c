// X21: a pointer is published, and what it points to is filled in afterwards.
//
// Seen: home-made singletons; F15 and P17 are relatives.
// Bug: the others test the pointer and use the object. It is not ready yet.
// Oracle: a setting that was never set is used.
// Fix: build first, publish last.
#include "race.h"

struct settings {
  int limit;
};

static struct settings storage;
static struct settings* _Atomic settings;

static void* load_settings(void* unused) {
#ifdef FIXED
  work();  // reads the file
  storage.limit = 10;
  atomic_store(&settings, &storage);
#else
  atomic_store(&settings, &storage);
  work();  // reads the file
  storage.limit = 10;
#endif
  return unused;
}

int main(void) {
  const pthread_t loader = start(load_settings, NULL);
  for (int i = 0; i < 3; ++i) {
    work();
    const struct settings* current = atomic_load(&settings);
    if (current) check(current->limit == 10, "a setting was used before it was loaded");
  }
  join(loader);
  return 0;
}

// A02: double-checked initialisation that says "ready" before it is.
//
// Seen: everywhere that a pointer is published before what it points to is filled in.
// Bug:
//       one                                other
//       sees "not ready", takes the lock
//       ready = true
//                                          sees "ready", takes no lock
//                                          uses a configuration that is not there
//       stores the configuration
//
// Oracle: a configuration of 0.
// Fix: it is stored first.
#include "race.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool ready;
static atomic_int configuration;

static void initialise(void) {
#ifdef FIXED
  atomic_store(&configuration, 42);
  atomic_store(&ready, true);
#else
  atomic_store(&ready, true);
  atomic_store(&configuration, 42);
#endif
}

static void* use(void* unused) {
  if (!atomic_load(&ready)) {
    pthread_mutex_lock(&lock);
    if (!atomic_load(&ready)) initialise();
    pthread_mutex_unlock(&lock);
  }
  check(atomic_load(&configuration) == 42, "a configuration was used before it was there");
  return unused;
}

int main(void) {
  const pthread_t one = start(use, NULL), other = start(use, NULL);
  join(one);
  join(other);
  return 0;
}

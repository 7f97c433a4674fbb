// H07: sem_wait fails with EINTR, and nobody looks.
//
// Seen in: SDL 1.2, SDL_CreateThread, https://github.com/libsdl-org/SDL-1.2/issues/151
// Bug: the creator of a thread waits for it to have read its arguments, which are on the creator's stack.
//   A signal ends the wait; the creator goes on, and the arguments are gone.
// Oracle: the thread reads what was not meant for it.
// Fix: wait again after EINTR.
#include <semaphore.h>
#include <signal.h>

#include "race.h"

struct arguments {
  atomic_int number;
  sem_t taken;
};

static atomic_int wrong;

static void on_signal(int signal) { (void)signal; }

static void* body(void* pointer) {
  struct arguments* arguments = pointer;
  work();
  if (atomic_load(&arguments->number) != 42) atomic_store(&wrong, 1);
  sem_post(&arguments->taken);
  return NULL;
}

static void* interrupter(void* creator) {
  pthread_kill(*(pthread_t*)creator, SIGUSR1);
  return NULL;
}

int main(void) {
  const struct sigaction action = {.sa_handler = on_signal};
  sigaction(SIGUSR1, &action, NULL);
  pthread_t self = pthread_self();
  static struct arguments arguments;  // the real one is on the stack
  sem_init(&arguments.taken, 0, 0);
  atomic_store(&arguments.number, 42);
  const pthread_t other = start(interrupter, &self);
  const pthread_t thread = start(body, &arguments);
#ifdef FIXED
  while (sem_wait(&arguments.taken) != 0) continue;
#else
  sem_wait(&arguments.taken);
#endif
  atomic_store(&arguments.number, 0);
  join(thread);
  join(other);
  check(!wrong, "the thread's arguments were gone");
  return 0;
}

// H09: two signals become one, and one of two events is served.
//
// Seen in: petitboot, SIGCHLD of children that end together,
//   https://github.com/open-power/petitboot/pull/95
// Bug: the handler writes one byte for each signal, and each byte is taken for one event. But signals of
//   one number do not queue: two that come before the handler has run are one.
// Oracle: a hang: an event is there, and no byte.
// Fix: each byte means "look at all".
#include <signal.h>

#include "race.h"

enum { kEvents = 3 };

static int ends[2];
static atomic_int finished[kEvents];

static void on_signal(int signal) {
  const int saved = errno;
  (void)signal;
  (void)!write(ends[1], "", 1);
  errno = saved;
}

static void* child(void* number) {
  atomic_store(&finished[(intptr_t)number], 1);
  kill(getpid(), SIGUSR1);
  return NULL;
}

static int serve(void) {
  int served = 0;
  for (int i = 0; i < kEvents; ++i) {
    if (!atomic_exchange(&finished[i], 0)) continue;
    ++served;
#ifndef FIXED
    break;
#endif
  }
  return served;
}

static void* main_loop(void* unused) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGUSR1);
  pthread_sigmask(SIG_UNBLOCK, &signals, NULL);
  char byte;
  for (int served = 0; served < kEvents;) {
    if (read(ends[0], &byte, 1) == 1) served += serve();
  }
  return unused;
}

int main(void) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGUSR1);
  need(pipe(ends) == 0, "pipe");
  pthread_sigmask(SIG_BLOCK, &signals, NULL);
  const struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
  sigaction(SIGUSR1, &action, NULL);
  const pthread_t loop = start(main_loop, NULL);
  pthread_t children[kEvents];
  for (intptr_t i = 0; i < kEvents; ++i) children[i] = start(child, (void*)i);
  for (int i = 0; i < kEvents; ++i) join(children[i]);
  join(loop);
  return 0;
}

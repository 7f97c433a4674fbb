// X03: a wait that ends is taken for the event that was waited for.
//
// Seen: wherever `if` stands before a wait; the manual of futex(2) warns of it.
// Bug: a futex wait may return without a wake that was meant for it: after a signal, or because
//   something else at the same address was woken.
// Oracle: a token is taken where there is none.
// Fix: `while`: test again after every wait.
#include <signal.h>

#include "race.h"

static futex_word tokens;

static void take_token(void) {
#ifdef FIXED
  while (atomic_load(&tokens) == 0) futex_wait(&tokens, 0);
#else
  if (atomic_load(&tokens) == 0) futex_wait(&tokens, 0);
#endif
  check(atomic_fetch_sub(&tokens, 1) > 0, "a token was taken although there is none");
}

static void add_token(void) {
  atomic_fetch_add(&tokens, 1);
  futex_wake(&tokens, 1);
}

static void on_signal(int signal) { (void)signal; }

static void* consumer(void* unused) {
  take_token();
  return unused;
}

int main(void) {
  const struct sigaction action = {.sa_handler = on_signal};  // without SA_RESTART
  sigaction(SIGUSR1, &action, NULL);
  const pthread_t thread = start(consumer, NULL);
  work();
  pthread_kill(thread, SIGUSR1);
  work();
  add_token();
  join(thread);
  return 0;
}

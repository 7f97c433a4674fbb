// H11: a thread that is suspended by a signal takes a mutex's wake-up and does nothing with it.
//
// Seen in: ThreadX, Linux port, https://github.com/eclipse-threadx/threadx/pull/753
// Bug: threads are suspended by a signal whose handler waits for the resume. It may find the thread on the
//   way to sleep for a mutex: the unlock's only wake-up goes to somebody who is in the handler, and who
//   else waits sleeps on. The one who would resume waits for the mutex, too.
//
//       suspended              worker                 scheduler
//       marks the mutex as contended, and is about to sleep
//       (signal: the handler)
//                              sleeps                 sleeps
//                              ...                    ...
//
// Oracle: a hang: the mutex is free, or its owner-to-be is in the handler.
// Fix: the scheduler does not need the mutex to resume.
#include <signal.h>

#include "race.h"

static futex_word mutex;  // 0: free; 1: held; 2: held, and somebody sleeps
static futex_word resumed, in_handler;

static void mutex_lock(void) {
  uint32_t seen = 0;
  if (atomic_compare_exchange_strong(&mutex, &seen, 1)) return;
  while (atomic_exchange(&mutex, 2) != 0) futex_wait(&mutex, 2);
}

static void mutex_unlock(void) {
  if (atomic_exchange(&mutex, 0) == 2) futex_wake(&mutex, 1);
}

static void on_suspend(int signal) {
  (void)signal;
  announce(&in_handler, 1);
  await(&resumed, 1);
}

static void* worker(void* unused) {
  mutex_lock();
  work();
  mutex_unlock();
  return unused;
}

int main(void) {
  const struct sigaction action = {.sa_handler = on_suspend, .sa_flags = SA_RESTART};
  sigaction(SIGUSR1, &action, NULL);
  const pthread_t suspended = start(worker, NULL), other = start(worker, NULL);
  work();
  if (pthread_kill(suspended, SIGUSR1) == 0) {
#ifndef FIXED
    mutex_lock();
#endif
    announce(&resumed, 1);
#ifndef FIXED
    mutex_unlock();
#endif
  }
  join(suspended);
  join(other);
  return 0;
}

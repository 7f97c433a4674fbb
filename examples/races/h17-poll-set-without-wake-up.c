// H17: a descriptor is added to a loop that sleeps in poll with the old set.
//
// Seen in: GLib's GMainContext users, libusb, and others that poll(2) an array; the shape is E13's
// Bug: add() wakes the loop only if the loop says that it polls; it says so after it has copied the array.
//
//       loop                                user
//       copies the array
//                                           adds a descriptor; the loop does not poll: no wake-up
//       polls
//
// Oracle: a hang: the descriptor is readable, and the loop sleeps.
// Fix: say so before the array is copied.
#include <poll.h>

#include "race.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct pollfd set[2];
static int members;
static atomic_bool polling;
static int wake_up;

static void add(int fd) {
  pthread_mutex_lock(&mutex);
  set[members++] = (struct pollfd){fd, POLLIN, 0};
  pthread_mutex_unlock(&mutex);
  if (atomic_load(&polling)) event_add(wake_up, 1);
}

static void* user(void* unused) {
  const int fd = eventfd(1, 0);
  work();
  add(fd);
  return unused;
}

int main(void) {
  wake_up = eventfd(0, 0);
  add(wake_up);
  const pthread_t thread = start(user, NULL);
  for (bool served = false; !served;) {
    struct pollfd copy[2];
#ifdef FIXED
    atomic_store(&polling, true);
#endif
    pthread_mutex_lock(&mutex);
    const int count = members;
    memcpy(copy, set, sizeof(copy));
    pthread_mutex_unlock(&mutex);
    work();
#ifndef FIXED
    atomic_store(&polling, true);
#endif
    poll(copy, (nfds_t)count, -1);
    atomic_store(&polling, false);
    if (copy[0].revents) event_take(wake_up);
    served = count == 2 && copy[1].revents;
  }
  join(thread);
  return 0;
}

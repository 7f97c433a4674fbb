// O_NONBLOCK is looked at when a read begins: setting it while a task is blocked does not end the wait, and
// a signal that does ends it with EINTR. (Once, that was EAGAIN.)
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

static void on_signal(int number) { (void)number; }

static void* blocked_read(void* fd) {
  char bytes[8];
  const ssize_t n = read(*(int*)fd, bytes, sizeof bytes);
  printf("%s\n", n < 0 ? strerrorname_np(errno) : "read");
  return NULL;
}

static void try_one(const char* what, int fd) {
  pthread_t reader;
  printf("%s: ", what);
  fflush(stdout);
  pthread_create(&reader, NULL, blocked_read, &fd);
  usleep(50000);
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  usleep(50000);
  pthread_kill(reader, SIGUSR1);
  pthread_join(reader, NULL);
}

int main(void) {
  struct sigaction action = {.sa_handler = on_signal};
  int pair[2];
  sigaction(SIGUSR1, &action, NULL);
  try_one("timerfd", timerfd_create(CLOCK_MONOTONIC, 0));
  try_one("eventfd", eventfd(0, 0));
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) return 1;
  try_one("socket", pair[0]);
  if (pipe(pair) != 0) return 1;
  try_one("pipe", pair[0]);
  return 0;
}

// Another thread closes the number that a read or poll waits on: the wait goes on for the file. A read then
// takes what comes from that file, even if the number means another one by now; poll looks the number up
// again, but only once something wakes it. (Once, both looked at the number at once.)
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int pipe_ends[2], sockets[2];

static void* reader(void* unused) {
  char bytes[16] = "";
  const ssize_t n = read(pipe_ends[0], bytes, sizeof bytes - 1);
  printf("read: %s\n", n < 0 ? strerrorname_np(errno) : bytes);
  return unused;
}

static void* poller(void* unused) {
  struct pollfd entry = {sockets[0], POLLIN, 0};
  const int n = poll(&entry, 1, 5000);
  printf("poll: %d, revents %#x\n", n, (unsigned)entry.revents);
  return unused;
}

int main(void) {
  pthread_t thread;
  int other[2];
  if (pipe(pipe_ends) != 0 || pipe(other) != 0) return 1;
  pthread_create(&thread, NULL, reader, NULL);
  usleep(50000);
  dup2(other[0], pipe_ends[0]);
  printf("wrong one: %zd\n", write(other[1], "wrong", 5));
  usleep(50000);
  const ssize_t written = write(pipe_ends[1], "right", 5);
  pthread_join(thread, NULL);
  printf("right one: %zd\n", written);

  if (socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) != 0) return 1;
  pthread_create(&thread, NULL, poller, NULL);
  usleep(50000);
  close(sockets[0]);
  usleep(50000);
  printf("closed\n");
  fflush(stdout);
  const ssize_t sent = write(sockets[1], "x", 1);
  pthread_join(thread, NULL);
  printf("write: %zd\n", sent);
  printf("the other end after the wait: %s\n",
         send(sockets[1], "x", 1, MSG_NOSIGNAL) < 0 ? strerrorname_np(errno) : "still there");
  return 0;
}

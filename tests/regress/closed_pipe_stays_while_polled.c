// A poll keeps the files that it waits for open until it returns, whatever wakes it in between: also those
// whose numbers were closed, or mean something else by now. (Once, they were let go at the first wake-up that
// was for nothing, and the writer of a pipe saw its reader gone.)
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

static int ends[2], idle, event;

static void on_signal(int number) { (void)number; }

static void* poller(void* unused) {
  struct pollfd entries[] = {{ends[0], POLLIN, 0}, {idle, POLLIN, 0}};
  const int n = poll(entries, 2, -1);
  printf("poll: %s, revents %#x %#x\n", n < 0 ? strerrorname_np(errno) : "events",
         (unsigned)entries[0].revents, (unsigned)entries[1].revents);
  return unused;
}

// An emulated file lives on, too, and with it the registration in an instance.
static void* poll_eventfd(void* unused) {
  struct pollfd entry = {event, POLLIN, 0};
  const int n = poll(&entry, 1, -1);
  printf("poll of an eventfd: %d, revents %#x\n", n, (unsigned)entry.revents);
  return unused;
}

int main(void) {
  pthread_t thread;
  struct sigaction action = {.sa_handler = on_signal};
  sigaction(SIGUSR1, &action, NULL);
  signal(SIGPIPE, SIG_IGN);
  if (pipe(ends) != 0) return 1;
  idle = eventfd(0, EFD_NONBLOCK);
  pthread_create(&thread, NULL, poller, NULL);
  usleep(50000);
  if (dup2(idle, ends[0]) < 0) return 1;
  for (int i = 0; i < 3; ++i) {
    const ssize_t written = write(ends[1], "x", 1);
    printf("write: %s\n", written < 0 ? strerrorname_np(errno) : "1");
    usleep(20000);
  }
  pthread_kill(thread, SIGUSR1);
  pthread_join(thread, NULL);
  printf("afterwards: %s\n", write(ends[1], "x", 1) < 0 ? strerrorname_np(errno) : "1");

  const int epoll = epoll_create1(0);
  struct epoll_event member = {.events = EPOLLIN, .data.u32 = 7};
  event = eventfd(0, 0);
  epoll_ctl(epoll, EPOLL_CTL_ADD, event, &member);
  pthread_create(&thread, NULL, poll_eventfd, NULL);
  usleep(50000);
  const int other = dup(event);
  close(event);
  const uint64_t one = 1;
  if (write(other, &one, 8) != 8) return 1;
  close(other);
  pthread_join(thread, NULL);
  printf("members that are ready afterwards: %d\n", epoll_wait(epoll, &member, 1, 0));
  return 0;
}

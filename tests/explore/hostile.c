// Guests that misbehave, for the explore commands: none may hang them or spoil a report.
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static void* nothing(void* argument) { return argument; }

static void start_thread(void) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, nothing, NULL) != 0) abort();
  pthread_join(thread, NULL);
}

static void spin(void) {
  for (volatile int i = 0;;) i = i + 1;
}

static void flood(void) {
  static char text[1 << 16];
  memset(text, 'x', sizeof(text));
  while (write(1, text, sizeof(text)) > 0) {
  }
}

static void be_daemon(void) {
  if (fork() != 0) return;
  setsid();
  // Natively this would stay; whoever explores must not leave it behind.
  for (;;) pause();
}

int main(int argc, char** argv) {
  const char* mode = argc > 1 ? argv[1] : "";
  start_thread();
  if (!strcmp(mode, "spin")) spin();
  if (!strcmp(mode, "flood")) flood();
  if (!strcmp(mode, "kill")) kill(getpid(), SIGKILL);
  if (!strcmp(mode, "segv")) raise(SIGSEGV);
  if (!strcmp(mode, "daemon")) be_daemon();
  if (!strcmp(mode, "close")) syscall(SYS_close_range, 0, ~0U, 0);
  if (!strcmp(mode, "binary")) {
    fwrite("\0\xff\xfe]]><&\x1b[2J::error::\n%0A", 1, 26, stderr);
    return 3;
  }
  return 0;
}

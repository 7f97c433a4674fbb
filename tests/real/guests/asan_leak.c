// Built with AddressSanitizer: loses two blocks while another thread holds a third, which only a look at
// that thread's stack can find.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int started[2];

static void* holder(void* arg) {
  char* volatile block = malloc(1000);
  memset(block, 1, 1000);
  if (write(started[1], "x", 1) != 1) abort();
  for (;;) pause();
  free(block);
  return arg;
}

static void* volatile lost;

int main(void) {
  if (pipe(started) != 0) return 1;
  pthread_t thread;
  pthread_create(&thread, NULL, holder, NULL);
  char byte;
  if (read(started[0], &byte, 1) != 1) return 1;
  for (int i = 0; i < 3; i++) lost = malloc(77);
  puts("done");
  return 0;
}

// Built with AddressSanitizer: it writes one byte behind a heap block, on a thread.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static void* overflow(void* arg) {
  char* block = malloc(10);
  block[10 + *(volatile int*)arg] = 'x';
  return block;
}

int main(void) {
  int zero = 0;
  pthread_t thread;
  puts("before");
  fflush(stdout);
  pthread_create(&thread, NULL, overflow, &zero);
  void* result;
  pthread_join(thread, &result);
  printf("not reached %p\n", result);
  return 0;
}

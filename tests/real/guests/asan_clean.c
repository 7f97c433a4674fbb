// Built with AddressSanitizer: threads, heap, fork and a leak check at the end find nothing.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void* churn(void* arg) {
  long total = 0;
  for (long i = 1; i < 500; i++) {
    char* p = malloc(i * 7);
    memset(p, (int)i, i * 7);
    total += p[i];
    p = realloc(p, i * 14);
    total += p[i];
    free(p);
  }
  return (void*)(total + (long)arg);
}

int main(void) {
  pthread_t threads[4];
  long sum = 0;
  for (long i = 0; i < 4; i++) pthread_create(&threads[i], NULL, churn, (void*)i);
  for (int i = 0; i < 4; i++) {
    void* result;
    pthread_join(threads[i], &result);
    sum += (long)result;
  }
  printf("sum %ld\n", sum);
  fflush(stdout);
  pid_t pid = fork();
  if (pid == 0) {
    free(malloc(100));
    _exit(6);
  }
  int status;
  waitpid(pid, &status, 0);
  usleep(1000);
  printf("child %d\n", WEXITSTATUS(status));
  return 0;
}

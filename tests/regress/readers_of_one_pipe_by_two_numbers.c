// Who began to read first gets what comes first, though the two readers know the pipe by different numbers.
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static int numbers[3];

static void* read_one(void* number) {
  char c = '?';
  if (read(*(int*)number, &c, 1) != 1) c = '!';
  printf("reader %d got %c\n", (int)((int*)number - numbers), c);
  fflush(stdout);
  return NULL;
}

int main(void) {
  int ends[2];
  pthread_t threads[3];
  if (pipe(ends) != 0) return 1;
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 3; ++i) numbers[i] = i == 0 ? ends[0] : dup(ends[0]);
    for (int i = 0; i < 3; ++i) {
      const int reader = round == 0 ? i : 2 - i;
      pthread_create(&threads[i], NULL, read_one, &numbers[reader]);
      usleep(20000);
    }
    for (int i = 0; i < 3; ++i) {
      if (write(ends[1], &"abc"[i], 1) != 1) return 1;
      usleep(20000);
    }
    for (int i = 0; i < 3; ++i) pthread_join(threads[i], NULL);
  }
  return 0;
}

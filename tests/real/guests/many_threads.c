// Many threads asleep at once, in `ms` milliseconds of guest time: many_threads COUNT MS
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static pthread_barrier_t all_here;
static atomic_int awake;
static long milliseconds;

static void* sleeper(void* unused) {
  const struct timespec span = {milliseconds / 1000, milliseconds % 1000 * 1000000};
  struct timespec before, after;
  pthread_barrier_wait(&all_here);
  clock_gettime(CLOCK_MONOTONIC, &before);
  nanosleep(&span, NULL);
  clock_gettime(CLOCK_MONOTONIC, &after);
  const double slept =
      (double)(after.tv_sec - before.tv_sec) * 1e3 + (double)(after.tv_nsec - before.tv_nsec) / 1e6;
  if (slept >= (double)milliseconds) atomic_fetch_add(&awake, 1);
  (void)unused;
  return &awake;
}

// Of this process, in MiB: what the stacks of all threads really took.
static void print_memory(void) {
  char line[256];
  FILE* status = fopen("/proc/self/status", "r");
  while (status != NULL && fgets(line, sizeof line, status) != NULL) {
    if (strncmp(line, "VmHWM:", 6) == 0) {
      fprintf(stderr, "most memory: %ld MiB\n", atol(line + 6) / 1024);
    }
  }
  if (status != NULL) fclose(status);
}

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const int count = atoi(argv[1]);
  milliseconds = atol(argv[2]);
  pthread_t* threads = calloc((size_t)count, sizeof *threads);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 256 * 1024);
  pthread_barrier_init(&all_here, NULL, (unsigned)count);
  int started = 0;
  while (started < count && pthread_create(&threads[started], &attributes, sleeper, NULL) == 0) {
    ++started;
  }
  printf("started %d\n", started);
  fflush(stdout);
  if (started < count) return 1;
  int joined = 0;
  for (int i = 0; i < count; ++i) {
    void* result = NULL;
    joined += pthread_join(threads[i], &result) == 0 && result == &awake;
  }
  printf("joined %d, slept long enough %d\n", joined, awake);
  print_memory();
  return 0;
}

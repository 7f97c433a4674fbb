// fork, exit and wait; thread create and join.
#include "guest.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

static void* nothing(void* unused) { return unused; }

static void fork_and_wait(void) {
  const pid_t child = fork();
  if (child == 0) _exit(0);
  REQUIRE(child > 0 && waitpid(child, NULL, 0) == child);
}

static void create_and_join(void) {
  pthread_t thread;
  REQUIRE(pthread_create(&thread, NULL, nothing, NULL) == 0 && pthread_join(thread, NULL) == 0);
}

static void measure(const char* name, long count, void (*once)(void)) {
  struct distribution all = {{0}};
  for (long i = 0; i < count; ++i) {
    const int64_t start = now_ns();
    once();
    record(&all, (double)(now_ns() - start));
  }
  print_distribution(name, &all);
}

int main(int argc, char** argv) {
  const long count = count_argument(argc, argv, 200);
  measure("fork_wait", count, fork_and_wait);
  measure("thread_create_join", count, create_and_join);
  return 0;
}

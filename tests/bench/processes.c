// fork, exit and wait; thread create and join.
#include "guest.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

static void* nothing(void* unused) { return unused; }

int main(int argc, char** argv) {
  const long count = count_argument(argc, argv, 100);
  int64_t start = now_ns();
  for (long i = 0; i < count; ++i) {
    const pid_t child = fork();
    if (child == 0) _exit(0);
    REQUIRE(child > 0 && waitpid(child, NULL, 0) == child);
  }
  print_each("fork_wait", now_ns() - start, count);
  start = now_ns();
  for (long i = 0; i < count; ++i) {
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, nothing, NULL) == 0 && pthread_join(thread, NULL) == 0);
  }
  print_each("thread_create_join", now_ns() - start, count);
  return 0;
}

// While one thread never blocks, another waits for a pipe: first one that a third thread writes to, then one
// of a child process. In virtual time host files were looked at only when nothing was ready.
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static int done;

static void* spin(void* unused) {
  while (!__atomic_load_n(&done, __ATOMIC_SEQ_CST)) sched_yield();
  return unused;
}

static void* read_one(void* pipe) {
  char c = 0;
  if (read(*(int*)pipe, &c, 1) != 1 || c != 'x') c = '?';
  __atomic_store_n(&done, 1, __ATOMIC_SEQ_CST);
  return (void*)(long)c;
}

int main(void) {
  for (int with_child = 0; with_child < 2; ++with_child) {
    int ends[2];
    pthread_t reader, spinner;
    void* read;
    done = 0;
    if (pipe(ends) != 0) return 1;
    if (pthread_create(&reader, NULL, read_one, &ends[0]) != 0) return 1;
    usleep(1000);
    if (pthread_create(&spinner, NULL, spin, NULL) != 0) return 1;
    const pid_t child = with_child ? fork() : 0;
    if (child == 0 && write(ends[1], "x", 1) != 1) return 1;
    if (with_child && child == 0) _exit(0);
    pthread_join(reader, &read);
    pthread_join(spinner, NULL);
    if (with_child) waitpid(child, NULL, 0);
    printf("%s: read %c\n", with_child ? "from a child" : "from a thread", (char)(long)read);
  }
  return 0;
}

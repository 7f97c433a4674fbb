// Guests that misbehave: the first argument says how. Exit status 42 means that all went as it should.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { kFine = 42 };

#define CHECK(condition)                        \
  do {                                          \
    if (!(condition)) _exit(__LINE__ % 41 + 1); \
  } while (0)

static void* count_up(void* argument) {
  ++*(int*)argument;
  return NULL;
}

// Everything that the kernel serves itself, once.
static int still_works(void) {
  const int event = eventfd(0, 0);
  const int timer = timerfd_create(CLOCK_MONOTONIC, 0);
  const int epoll = epoll_create1(0);
  CHECK(event >= 0 && timer >= 0 && epoll >= 0);
  const struct itimerspec soon = {{0, 0}, {0, 1000000}};
  CHECK(timerfd_settime(timer, 0, &soon, NULL) == 0);
  struct epoll_event want = {.events = EPOLLIN, .data.fd = timer};
  CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &want) == 0);
  CHECK(epoll_wait(epoll, &want, 1, -1) == 1 && want.data.fd == timer);
  int pipes[2];
  CHECK(pipe(pipes) == 0 && write(pipes[1], "x", 1) == 1);
  struct pollfd both[] = {{pipes[0], POLLIN, 0}, {event, POLLIN, 0}};
  CHECK(poll(both, 2, -1) == 1 && both[0].revents == POLLIN);
  int counted = 0;
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, count_up, &counted) == 0);
  CHECK(pthread_join(thread, NULL) == 0 && counted == 1);
  const pid_t child = fork();
  if (child == 0) _exit(7);
  int status = 0;
  CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 7);
  return kFine;
}

static int close_loop(void) {
  for (int fd = 0; fd < 70000; ++fd) close(fd);
  return still_works();
}

static int close_ranges(void) {
  CHECK(syscall(SYS_close_range, 0, ~0U, CLOSE_RANGE_CLOEXEC) == 0);
  CHECK(syscall(SYS_close_range, 0, ~0U, 0) == 0);
  return still_works();
}

// ---- memory: raw system calls only, since libc goes as well ----

static long raw3(long number, long a, long b, long c) {
  long result;
  register long r10 __asm__("r10") = 0;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10)
                   : "rcx", "r11", "memory");
  return result;
}

static char maps[1 << 20];

static uint64_t hex(const char** at) {
  uint64_t value = 0;
  for (;; ++*at) {
    const char c = **at;
    if (c >= '0' && c <= '9')
      value = value * 16 + (uint64_t)(c - '0');
    else if (c >= 'a' && c <= 'f')
      value = value * 16 + (uint64_t)(c - 'a' + 10);
    else
      return value;
  }
}

// Treats every mapping in /proc/self/maps with `call`; with `spare`, not our own code, data and stack.
__attribute__((noinline, optimize("no-tree-loop-distribute-patterns"))) static int ravage(
    long call, long argument, int spare) {
  const int fd = open("/proc/self/maps", O_RDONLY);
  size_t size = 0;
  for (long got; (got = read(fd, maps + size, sizeof(maps) - 1 - size)) > 0;) size += (size_t)got;
  const uint64_t stack = (uint64_t)&fd;
  const uint64_t code = (uint64_t)&ravage;
  const uint64_t data = (uint64_t)maps;
  const char* end = maps + size;
  for (const char* at = maps; at < end;) {
    const uint64_t begin = hex(&at);
    ++at;
    const uint64_t stop = hex(&at);
    while (at < end && *at++ != '\n') {
    }
    const int ours = (stack >= begin && stack < stop) || (code >= begin && code < stop) ||
                     (data >= begin && data < stop);
    if (!ours || !spare) raw3(call, (long)begin, (long)(stop - begin), argument);
  }
  // Still the kernel's to answer: 42 system calls and out.
  long status = 0;
  for (int i = 0; i < 42; ++i) status += raw3(SYS_gettid, 0, 0, 0) > 0;
  raw3(SYS_exit_group, status, 0, 0);
  __builtin_unreachable();
}

// The whole of user space but our own pages, in as few calls as can be.
__attribute__((noinline)) static int unmap_wide(void) {
  const uint64_t top = 0x7ffffffff000;
  raw3(SYS_munmap, 0, (long)top, 0);
  raw3(SYS_exit_group, 1, 0, 0);
  __builtin_unreachable();
}

// ---- SIGSYS ----

static volatile sig_atomic_t sigsys_seen;
static void on_sigsys(int sig) {
  (void)sig;
  ++sigsys_seen;
}

static int sigsys_blocked(void) {
  sigset_t all, old;
  sigfillset(&all);
  CHECK(sigprocmask(SIG_SETMASK, &all, NULL) == 0);
  CHECK(still_works() == kFine);
  CHECK(sigprocmask(SIG_SETMASK, NULL, &old) == 0 && sigismember(&old, SIGSYS) == 1);
  return kFine;
}

static int sigsys_handled(void) {
  struct sigaction action = {.sa_handler = on_sigsys};
  CHECK(sigaction(SIGSYS, &action, NULL) == 0);
  CHECK(still_works() == kFine && sigsys_seen == 0);
  raise(SIGSYS);
  CHECK(sigsys_seen == 1);
  action.sa_handler = SIG_IGN;
  CHECK(sigaction(SIGSYS, &action, NULL) == 0);
  raise(SIGSYS);
  CHECK(still_works() == kFine && sigsys_seen == 1);
  return kFine;
}

static int sigsys_default(void) {
  raise(SIGSYS);
  return 1;
}

// ---- running out ----

static int out_of_fds(void) {
  const struct rlimit few = {40, 40};
  CHECK(setrlimit(RLIMIT_NOFILE, &few) == 0);
  int last = -1;
  for (int fd; (fd = eventfd(0, 0)) >= 0;) last = fd;
  CHECK(errno == EMFILE);
  CHECK(timerfd_create(CLOCK_MONOTONIC, 0) < 0 && errno == EMFILE);
  CHECK(epoll_create1(0) < 0 && errno == EMFILE);
  CHECK(dup(1) < 0 && errno == EMFILE);
  printf("last %d\n", last);
  for (int fd = 3; fd <= last; ++fd) close(fd);
  return still_works();
}

static int inherited_fd_limit(void) {
  int count = 0;
  for (int fd; (fd = open("/dev/null", O_RDONLY)) >= 0;) ++count;
  CHECK(errno == EMFILE);
  for (int fd = 3; fd < 3 + count; ++fd) close(fd);
  return kFine;
}

static int out_of_memory(void) {
  const struct rlimit small = {256 << 20, 256 << 20};
  CHECK(setrlimit(RLIMIT_AS, &small) == 0);
  size_t got = 0;
  while (got < (1U << 30) && mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE,
                                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED) {
    got += 1 << 20;
  }
  CHECK(got < (1U << 30) && errno == ENOMEM);
  CHECK(got > (100U << 20));
  CHECK(malloc(512 << 20) == NULL && errno == ENOMEM);
  CHECK(eventfd(0, 0) >= 0);
  return kFine;
}

static int inherited_memory_limit(void) {
  CHECK(malloc((size_t)64 << 30) == NULL);
  return still_works();
}

// ---- stuck, spinning, exec ----

static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t two = PTHREAD_MUTEX_INITIALIZER;
static void* lock_two_first(void* unused) {
  (void)unused;
  pthread_mutex_lock(&two);
  usleep(20000);
  pthread_mutex_lock(&one);
  return NULL;
}
static int deadlock(void) {
  pthread_t thread;
  pthread_mutex_lock(&one);
  pthread_create(&thread, NULL, lock_two_first, NULL);
  usleep(10000);
  pthread_mutex_lock(&two);
  return 1;
}

static int deadlock_read(void) {
  uint64_t count;
  const int event = eventfd(0, 0);
  return read(event, &count, sizeof(count)) < 0;
}

static void* spin(void* unused) {
  for (volatile unsigned i = 0;; ++i) {
  }
  return unused;
}
static int busy(void) {
  pthread_t thread;
  for (int i = 0; i < 3; ++i) pthread_create(&thread, NULL, spin, NULL);
  if (write(1, "busy\n", 5) != 5) return 1;
  for (;;) sleep(1);
}

static int exec_empty_argv(char* self) {
  char* none[] = {NULL};
  char* environment[] = {(char*)"BAD_INPUT=count-arguments", NULL};
  execve(self, none, environment);
  return 1;
}

// Prints the errno of exec for each of the paths.
static int exec_errors(int count, char** paths) {
  for (int i = 0; i < count; ++i) {
    char* arguments[] = {paths[i], NULL};
    execv(paths[i], arguments);
    printf("%s\n", strerrorname_np(errno));
  }
  return kFine;
}

int main(int argc, char** argv) {
  const char* how = argc > 1 ? argv[1] : getenv("BAD_INPUT");
  if (how == NULL) return 1;
  if (!strcmp(how, "count-arguments")) {
    printf("argc %d argv[0] '%s'\n", argc, argv[0] ? argv[0] : "(null)");
    return kFine;
  }
  if (!strcmp(how, "exec-errors")) return exec_errors(argc - 2, argv + 2);
  if (!strcmp(how, "exec-empty-argv")) return exec_empty_argv(argv[0]);
  if (!strcmp(how, "unmap-others")) return ravage(SYS_munmap, 0, 1);
  if (!strcmp(how, "unmap-all")) return ravage(SYS_munmap, 0, 0);
  if (!strcmp(how, "unmap-wide")) return unmap_wide();
  if (!strcmp(how, "protect-others")) return ravage(SYS_mprotect, PROT_NONE, 1);
  if (!strcmp(how, "protect-all")) return ravage(SYS_mprotect, PROT_NONE, 0);
  if (!strcmp(how, "pkey-protect-others")) return ravage(SYS_pkey_mprotect, PROT_NONE, 1);
  if (!strcmp(how, "discard-others")) return ravage(SYS_madvise, MADV_DONTNEED, 1);
  static const struct {
    const char* name;
    int (*run)(void);
  } kinds[] = {
      {"close-loop", close_loop},
      {"close-ranges", close_ranges},
      {"sigsys-blocked", sigsys_blocked},
      {"sigsys-handled", sigsys_handled},
      {"sigsys-default", sigsys_default},
      {"out-of-fds", out_of_fds},
      {"inherited-fd-limit", inherited_fd_limit},
      {"out-of-memory", out_of_memory},
      {"inherited-memory-limit", inherited_memory_limit},
      {"deadlock", deadlock},
      {"deadlock-read", deadlock_read},
      {"busy", busy},
      {"works", still_works},
  };
  for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); ++i) {
    if (!strcmp(how, kinds[i].name)) return kinds[i].run();
  }
  return 1;
}

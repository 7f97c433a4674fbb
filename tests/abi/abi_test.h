// A tiny test framework for guests: programs that are run natively and under detent, from one
// binary, and whose exit status and stdout must be equal (docs/architecture.md, section 9). Needs
// libc only, so that nothing but the guest's own system calls is under test.
//
//   TEST(what_is_proven) { CHECK(...); CHECK_EQ(got, want); CHECK_ERRNO(call, EINVAL); }
//   RECORD(fmt, ...)   prints an observed value: not asserted, but equal in both runs. Its
//                      arguments are evaluated in no particular order: use variables where calls
//                      depend on each other.
//
// Nothing printed may contain an address, a pid or a time. One translation unit a guest: main() is
// in here.
#ifndef DETENT_TESTS_ABI_ABI_TEST_H_
#define DETENT_TESTS_ABI_ABI_TEST_H_

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <initializer_list>

// A guest that re-executes itself (argv[1] begins with "--child") defines this.
extern "C" int AbiChildMain(int argc, char** argv) __attribute__((weak));

namespace abi {

struct Test {
  const char* name;
  void (*run)();
  Test* next;
};
inline Test* g_first = nullptr;
inline Test** g_last = &g_first;
inline int g_failures = 0;  // accessed atomically

struct Registration {
  Test test;
  Registration(const char* name, void (*run)()) : test{name, run, nullptr} {
    *g_last = &test;
    g_last = &test.next;
  }
};

// One write(2) a line and no stdio buffer: a forked child must not print its parent's lines again.
__attribute__((format(printf, 1, 2))) inline void Print(const char* format, ...) {
  char line[1024];
  va_list args;
  va_start(args, format);
  int length = vsnprintf(line, sizeof line, format, args);
  va_end(args);
  if (length >= static_cast<int>(sizeof line)) length = sizeof line - 1;
  for (int done = 0; done < length;) {
    ssize_t n = write(1, line + done, length - done);
    if (n <= 0) break;
    done += n;
  }
}

inline int Failures() { return __atomic_load_n(&g_failures, __ATOMIC_SEQ_CST); }

#define ABI_FAIL(format, ...)                                 \
  (__atomic_add_fetch(&abi::g_failures, 1, __ATOMIC_SEQ_CST), \
   abi::Print("  FAILED %s:%d: " format "\n", __FILE_NAME__, __LINE__, ##__VA_ARGS__))

inline const char* ErrnoName(int error) {
  const char* name = strerrorname_np(error);
  return name ? name : "E?";
}

// The result of a system call as text: a number, or the name of the error. Each thread has a few
// buffers.
inline const char* Res(long result) {
  const int error = errno;
  static thread_local char buffers[8][24];
  static thread_local unsigned next = 0;
  char* text = buffers[next++ % 8];
  if (result == -1) {
    snprintf(text, sizeof buffers[0], "%s", ErrnoName(error));
  } else {
    snprintf(text, sizeof buffers[0], "%ld", result);
  }
  errno = error;
  return text;
}

#define TEST(name)                                            \
  static void Test_##name();                                  \
  static abi::Registration g_reg_##name(#name, &Test_##name); \
  static void Test_##name()

#define CHECK(condition)                          \
  do {                                            \
    if (!(condition)) ABI_FAIL("%s", #condition); \
  } while (0)

#define CHECK_EQ(got, want)                                                                   \
  do {                                                                                        \
    const long long got_ = static_cast<long long>(got), want_ = static_cast<long long>(want); \
    if (got_ != want_) ABI_FAIL("%s == %s: got %lld, want %lld", #got, #want, got_, want_);   \
  } while (0)

#define CHECK_GE(got, least)                                                                      \
  do {                                                                                            \
    const long long got_ = static_cast<long long>(got), least_ = static_cast<long long>(least);   \
    if (got_ < least_) ABI_FAIL("%s >= %s: got %lld, at least %lld", #got, #least, got_, least_); \
  } while (0)

#define CHECK_OK(call)                                                     \
  do {                                                                     \
    const long res_ = static_cast<long>(call);                             \
    if (res_ < 0) ABI_FAIL("%s: %s, want success", #call, abi::Res(res_)); \
  } while (0)

#define CHECK_ERRNO(call, error)                                                     \
  do {                                                                               \
    errno = 0;                                                                       \
    const long res_ = static_cast<long>(call);                                       \
    if (res_ != -1 || errno != (error))                                              \
      ABI_FAIL("%s: got %s, want %s", #call, abi::Res(res_), abi::ErrnoName(error)); \
  } while (0)

// Ends the test when the condition does not hold.
#define REQUIRE(condition)                   \
  do {                                       \
    if (!(condition)) {                      \
      ABI_FAIL("%s (required)", #condition); \
      return;                                \
    }                                        \
  } while (0)

#define RECORD(format, ...) abi::Print("  = " format "\n", ##__VA_ARGS__)

using Ints = std::initializer_list<int>;

// ---- time ---------------------------------------------------------------------------------------

constexpr int64_t kMs = 1000000;

inline int64_t ToNs(const timespec& t) { return t.tv_sec * 1000000000LL + t.tv_nsec; }
inline timespec FromNs(int64_t ns) {
  timespec t;
  t.tv_sec = ns / 1000000000;
  t.tv_nsec = ns % 1000000000;
  return t;
}
inline int64_t Now(clockid_t clock = CLOCK_MONOTONIC) {
  timespec t;
  clock_gettime(clock, &t);
  return ToNs(t);
}
inline void SleepMs(int ms) {
  const timespec until = FromNs(Now() + ms * kMs);
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr) == EINTR) {
  }
}

// Waits (for seconds, not for ever) until the condition holds: what another thread does after a
// wake takes as long as the machine is loaded.
template <typename F>
inline bool Eventually(F condition) {
  for (int round = 0; round < 5000; ++round) {
    if (condition()) return true;
    SleepMs(1);
  }
  return false;
}

// ---- pointers -----------------------------------------------------------------------------------

// Addresses that no program has: page zero, a hole, the last user page, kernel space, not
// canonical.
struct BadPointer {
  const char* name;
  uintptr_t value;
};
inline constexpr BadPointer kBadPointers[] = {
    {"one", 1},
    {"hole", 0x10000000000},
    {"kernel", 0xffff888000000000},
    {"noncanonical", 0x8000000000000000},
    {"minus-one", ~uintptr_t{0}},
};
inline void* Wild() { return reinterpret_cast<void*>(0x10000000000); }

// ---- threads and processes ----------------------------------------------------------------------

inline pid_t Tid() { return static_cast<pid_t>(syscall(SYS_gettid)); }

// Returns when the thread (or the process) is blocked in the system call `number`. Where /proc does
// not say (detent's tasks are not the host's threads), long enough a sleep must do.
inline void AwaitBlocked(pid_t tid, long number, bool process = false) {
  char path[64];
  snprintf(path, sizeof path, process ? "/proc/%d/syscall" : "/proc/self/task/%d/syscall", tid);
  for (int round = 0; round < 300; ++round) {
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    char text[64] = "";
    const ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0) close(fd);
    if (n <= 0) break;
    char* end = nullptr;
    const long current = strtol(text, &end, 10);
    if (end != text && current == number) return;
    SleepMs(1);
  }
  SleepMs(30);
}

template <typename F>
class Thread {
 public:
  explicit Thread(F body) : body_(body) {
    sem_init(&started_, 0, 0);
    if (pthread_create(&thread_, nullptr, &Thread::Run, this) != 0) abort();
    while (sem_wait(&started_) != 0) {
    }
  }
  ~Thread() { Join(); }
  Thread(const Thread&) = delete;
  Thread& operator=(const Thread&) = delete;
  void Join() {
    if (!joined_) pthread_join(thread_, nullptr);
    joined_ = true;
  }
  pid_t tid() const { return tid_; }
  pthread_t handle() const { return thread_; }
  void AwaitBlocked(long number) const { abi::AwaitBlocked(tid_, number); }

 private:
  static void* Run(void* self_pointer) {
    auto* self = static_cast<Thread*>(self_pointer);
    self->tid_ = Tid();
    F body = self->body_;
    sem_post(&self->started_);
    body();
    return nullptr;
  }
  F body_;
  sem_t started_;
  pthread_t thread_ = 0;
  pid_t tid_ = 0;
  bool joined_ = false;
};

// Runs `body` in a forked child, which ends with its result as exit code (101 when one of its
// checks failed).
template <typename F>
inline pid_t Spawn(F body) {
  const pid_t pid = fork();
  if (pid != 0) return pid;
  const rlimit no_core = {0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  const int before = Failures();
  const int code = body();
  _exit(Failures() != before ? 101 : code);
}
inline int WaitFor(pid_t pid) {
  int status = -1;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}
template <typename F>
inline int ChildStatus(F body) {
  return WaitFor(Spawn(body));
}
// A wait status as text: "exit 3", "signal 11".
inline const char* StatusText(int status) {
  static thread_local char text[32];
  if (WIFEXITED(status)) {
    snprintf(text, sizeof text, "exit %d", WEXITSTATUS(status));
  } else if (WIFSIGNALED(status)) {
    snprintf(text, sizeof text, "signal %d", WTERMSIG(status));
  } else if (WIFSTOPPED(status)) {
    snprintf(text, sizeof text, "stopped %d", WSTOPSIG(status));
  } else {
    snprintf(text, sizeof text, "status 0x%x", status);
  }
  return text;
}

// ---- signals ------------------------------------------------------------------------------------

// Installs a handler, and restores the old one at the end of the scope.
class Handler {
 public:
  Handler(int signal, void (*handler)(int, siginfo_t*, void*), int flags = 0) : signal_(signal) {
    struct sigaction action = {};
    action.sa_sigaction = handler;
    action.sa_flags = flags | SA_SIGINFO;
    sigaction(signal, &action, &old_);
  }
  Handler(int signal, void (*handler)(int), int flags = 0) : signal_(signal) {
    struct sigaction action = {};
    action.sa_handler = handler;
    action.sa_flags = flags;
    sigaction(signal, &action, &old_);
  }
  ~Handler() { sigaction(signal_, &old_, nullptr); }
  Handler(const Handler&) = delete;
  Handler& operator=(const Handler&) = delete;

 private:
  int signal_;
  struct sigaction old_;
};

// Counts the deliveries of one signal.
inline volatile sig_atomic_t g_signals = 0;
inline void CountSignal(int) { g_signals = g_signals + 1; }

inline sigset_t SigSet(int a = 0, int b = 0) {
  sigset_t set;
  sigemptyset(&set);
  if (a) sigaddset(&set, a);
  if (b) sigaddset(&set, b);
  return set;
}
inline long Tgkill(pid_t tid, int signal) { return syscall(SYS_tgkill, getpid(), tid, signal); }

// ---- main ---------------------------------------------------------------------------------------

inline int Main(int argc, char** argv) {
  if (argc > 1 && strncmp(argv[1], "--child", 7) == 0 && AbiChildMain)
    return AbiChildMain(argc, argv);
  if (argc > 1 && strcmp(argv[1], "--list") == 0) {
    for (Test* t = g_first; t; t = t->next) Print("%s\n", t->name);
    return 0;
  }
  int passed = 0, failed = 0, unknown = 0;
  for (int i = 1; i < argc; ++i) {
    bool found = false;
    for (Test* t = g_first; t; t = t->next) found = found || strcmp(argv[i], t->name) == 0;
    if (!found) {
      Print("no such test: %s\n", argv[i]);
      ++unknown;
    }
  }
  for (Test* t = g_first; t; t = t->next) {
    bool wanted = argc == 1;
    for (int i = 1; i < argc; ++i) wanted = wanted || strcmp(argv[i], t->name) == 0;
    if (!wanted) continue;
    const int before = Failures();
    g_signals = 0;
    Print("%s\n", t->name);  // before it runs: a hang or a crash can be told by the last line
    t->run();
    (Failures() == before ? passed : failed) += 1;
  }
  Print("%d passed, %d failed\n", passed, failed + unknown);
  return failed + unknown == 0 ? 0 : 1;
}

}  // namespace abi

int main(int argc, char** argv) { return abi::Main(argc, argv); }

#endif  // DETENT_TESTS_ABI_ABI_TEST_H_

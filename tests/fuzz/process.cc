// Operations of the area process: children that use inherited objects, end in every way, are stopped,
// killed and waited for, and programs that are executed.
//
// Everything is synchronous: the parent waits for the child's report (a pipe that ends with the child)
// or for its status before it goes on.
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "fuzz.h"

namespace fuzz {
namespace {

constexpr int kReportFd = 60;  // beyond what sequences choose from

// What a child does: operations that need none but its own thread.
const Operation* pick_child_operation(Rng& rng) {
  static const char* const names[] = {
      "read_ready", "write_ready",    "poll",          "close", "dup",
      "fcntl",      "rt_sigprocmask", "rt_sigpending", "pipe2", "eventfd2"};
  const char* const name = names[rng.below(sizeof names / sizeof names[0])];
  for (const Family& family : {descriptor_operations(), wait_operations(), signal_operations()}) {
    for (size_t i = 0; i < family.count; ++i) {
      if (strcmp(family.operations[i].name, name) == 0) return &family.operations[i];
    }
  }
  abort();
}

void say_status(Call& call, int status) {
  if (WIFEXITED(status)) {
    call.say(" exit %d", WEXITSTATUS(status));
  } else if (WIFSIGNALED(status)) {
    call.say(" signal %d%s", WTERMSIG(status), WCOREDUMP(status) ? " core" : "");
  } else if (WIFSTOPPED(status)) {
    call.say(" stopped %d", WSTOPSIG(status));
  } else {
    call.say(WIFCONTINUED(status) ? " continued" : " odd status");
  }
}

// Makes the report's pipe; both ends are out of the way of what sequences choose from.
bool open_report(int* ends) {
  int low[2];
  if (pipe2(low, O_CLOEXEC) != 0) return false;
  ends[0] = fcntl(low[0], F_DUPFD_CLOEXEC, kReportFd + 1);
  ends[1] = dup3(low[1], kReportFd, O_CLOEXEC);
  close(low[0]);
  close(low[1]);
  return ends[0] >= 0 && ends[1] >= 0;
}

void read_report(Call& call, int* ends) {
  char report[1500];
  size_t length = 0;
  close(ends[1]);
  for (ssize_t n; length < sizeof report - 1; length += static_cast<size_t>(n)) {
    n = read(ends[0], report + length, sizeof report - 1 - length);
    if (n < 0 && errno == EINTR)
      n = 0;
    else if (n <= 0)
      break;
  }
  close(ends[0]);
  report[length] = '\0';
  call.say(" {%s }", report);
}

[[noreturn]] void end_child(Rng& rng) {
  const rlimit no_core = {0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  if (rng.chance(70)) _exit(static_cast<int>(rng.below(300)));
  const int signal_number = rng.pick({SIGKILL, SIGTERM, SIGUSR1, SIGABRT, SIGSEGV, SIGRTMIN});
  signal(signal_number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  raise(signal_number);
  _exit(99);
}

void reap(Call& call, pid_t pid) {
  int status = 0;
  const int options = call.rng.pick({0, WUNTRACED, WCONTINUED});
  siginfo_t info;
  memset(&info, 0, sizeof info);
  switch (call.rng.below(3)) {
    case 0:
      syscall(SYS_waitid, P_PID, pid, &info, WEXITED | WNOWAIT, nullptr);
      call.say(" waitid signal %d code %d status %d", info.si_signo, info.si_code, info.si_status);
      [[fallthrough]];
    case 1: {
      rusage usage;
      const long got = syscall(SYS_wait4, pid, &status, options, &usage);
      call.say(got == pid ? " wait4" : " wait4 FAILED");
      say_status(call, status);
      break;
    }
    default: {
      const long got = syscall(SYS_wait4, -1, &status, options, nullptr);
      call.say(got == pid ? " wait" : " wait FAILED");
      say_status(call, status);
    }
  }
  call.say(" then %s",
           syscall(SYS_wait4, pid, nullptr, 0, nullptr) < 0 ? errno_name(errno) : "one more");
}

void child_works(Call& call) {
  world.masks_changed = true;
  int ends[2];
  if (!open_report(ends)) return;
  const uint64_t seed = call.rng.next();
  const bool raw_fork = call.rng.chance(50);
  const pid_t pid = raw_fork ? static_cast<pid_t>(syscall(SYS_fork)) : fork();
  if (pid == 0) {
    Rng rng(seed);
    for (unsigned i = rng.below(7); i > 0; --i) {
      const Operation* const operation = pick_child_operation(rng);
      Call own(rng.next(), 0);
      operation->run(own);
      dprintf(kReportFd, " %s%.*s;", operation->name, static_cast<int>(own.length), own.text);
    }
    end_child(rng);
  }
  read_report(call, ends);
  reap(call, pid);
}

// The child waits to be killed, stopped or continued.
void child_is_killed(Call& call) {
  int ends[2];
  if (!open_report(ends)) return;
  const bool ignores = call.rng.chance(30);
  const pid_t pid = fork();
  if (pid == 0) {
    for (const int number : {SIGTERM, SIGUSR1, SIGUSR2, SIGALRM}) {
      signal(number, ignores && number == SIGTERM ? SIG_IGN : SIG_DFL);
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    dprintf(kReportFd, " waits");
    close(kReportFd);
    for (;;) pause();
  }
  read_report(call, ends);
  int status = 0;
  for (unsigned i = call.rng.below(3); i > 0; --i) {
    if (call.rng.chance(30)) {
      call.say(" STOP = %s", kill(pid, SIGSTOP) == 0 ? "0" : errno_name(errno));
      const long got = syscall(SYS_wait4, pid, &status, WUNTRACED, nullptr);
      if (got == pid) say_status(call, status);
      call.say(" CONT = %s", kill(pid, SIGCONT) == 0 ? "0" : errno_name(errno));
      const long again = syscall(SYS_wait4, pid, &status, WCONTINUED, nullptr);
      if (again == pid) say_status(call, status);
      if (WIFSIGNALED(status) || WIFEXITED(status)) return;
    } else {
      call.say(" %d = %s", 0, kill(pid, 0) == 0 ? "0" : errno_name(errno));
      call.say(" HUP = %s",
               kill(pid, SIGHUP) == 0 ? "0" : errno_name(errno));  // inherited as ignored
    }
  }
  if (ignores) call.say(" TERM = %s", kill(pid, SIGTERM) == 0 ? "0" : errno_name(errno));
  const int last = ignores ? SIGKILL : call.rng.pick({SIGKILL, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM});
  call.say(" %d = %s", last, kill(pid, last) == 0 ? "0" : errno_name(errno));
  reap(call, pid);
}

// The program that is executed tells what it inherited (report_inherited()).
void child_executes(Call& call) {
  world.masks_changed = true;
  int ends[2];
  if (!open_report(ends)) return;
  call.say("(");
  sigset_t blocked = pick_sigset(call);
  call.say(")");
  const bool missing = call.rng.chance(10);
  const pid_t pid = call.rng.chance(50) ? vfork() : fork();
  if (pid == 0) {
    sigprocmask(SIG_SETMASK, &blocked, nullptr);
    fcntl(kReportFd, F_SETFD, 0);
    const char* const arguments[] = {program_path(), "--inherited", nullptr};
    const char* const environment[] = {"FUZZ=1", nullptr};
    syscall(SYS_execve, missing ? "/nonexistent" : program_path(), arguments, environment);
    _exit(errno);
  }
  read_report(call, ends);
  reap(call, pid);
}

void wait_bad(Call& call) {
  int status = 0x5555;
  const pid_t pid = call.rng.pick({-1, 0, 1, INT32_MAX, INT32_MIN, -INT32_MAX});
  const int options = call.rng.pick({0, WNOHANG, WUNTRACED, 0x40, 0x1000, -1});
  call.say("(%d, %#x", pid, static_cast<unsigned>(options));
  void* const out = call.pointer(&status, sizeof status, true);
  call.say(")");
  call.result(syscall(SYS_wait4, pid, out, options, nullptr));
  siginfo_t info;
  memset(&info, 0, sizeof info);
  const int kind = call.rng.pick<int>({P_ALL, P_PID, P_PGID, 7});
  const int how =
      call.rng.pick({WEXITED, WEXITED | WNOHANG, WSTOPPED | WNOHANG, WNOHANG, 0, 0x100});
  call.say(" waitid(%d, %#x)", kind, static_cast<unsigned>(how));
  call.result(syscall(SYS_waitid, kind, pid > 1 ? pid : 0, &info, how, nullptr));
}

constexpr Operation kOperations[] = {
    {"child", 8, false, child_works},
    {"killed", 5, false, child_is_killed},
    {"executed", 3, false, child_executes},
    {"wait", 2, false, wait_bad},
};

}  // namespace

int report_inherited() {
  sigset_t mask, pending;
  memset(&mask, 0, sizeof mask);
  memset(&pending, 0, sizeof pending);
  syscall(SYS_rt_sigprocmask, 0, nullptr, &mask, 8);
  syscall(SYS_rt_sigpending, &pending, 8);
  uint64_t bits[2];
  memcpy(&bits[0], &mask, 8);
  memcpy(&bits[1], &pending, 8);
  dprintf(kReportFd, " mask %#lx pending %#lx env %s ignored", bits[0], bits[1],
          getenv("FUZZ") != nullptr ? getenv("FUZZ") : "lost");
  for (int number = 1; number < 65; ++number) {
    struct sigaction old;
    if (sigaction(number, nullptr, &old) != 0) continue;
    if (old.sa_handler == SIG_IGN) dprintf(kReportFd, " %d", number);
    if (old.sa_handler != SIG_IGN && old.sa_handler != SIG_DFL)
      dprintf(kReportFd, " HANDLER %d", number);
  }
  dprintf(kReportFd, " fds");
  for (int fd = kFirstFd; fd < kFirstFd + kFds; ++fd) {
    const int flags = fcntl(fd, F_GETFL);
    if (flags < 0) continue;
    uint64_t count = 0;
    // Only what is certain to be a counter or a pipe that does not block.
    const bool tells = (flags & O_NONBLOCK) != 0 && (flags & O_ACCMODE) != O_WRONLY;
    const ssize_t n = tells ? read(fd, &count, 8) : 0;
    dprintf(kReportFd, " %d:%#x:%zd:%#lx", fd, flags, n, count);
  }
  return 7;
}

Family process_operations() { return {kOperations, sizeof kOperations / sizeof kOperations[0]}; }

}  // namespace fuzz

// What processes of a session do to each other: programs started by descriptors, orphans, sessions and
// process groups, job control on a terminal, pidfds, limits of pending signals, daemons.
#include <dirent.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <termios.h>
#include <ucontext.h>

#include <string>
#include <vector>

#include "abi_test.h"

using namespace abi;

extern char** environ;

// The child's part of the exec tests: tells its arguments.
extern "C" int AbiChildMain(int argc, char** argv) {
  size_t bytes = 0;
  for (int i = 0; i < argc; ++i) bytes += strlen(argv[i]) + 1;
  abi::Print("  = child %s: %d arguments, %zu bytes\n", argv[1], argc, bytes);
  return 42;
}

namespace {

int StatusOf(pid_t child) {
  int status = -1;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

template <class F>
pid_t Fork(F body) {
  const pid_t child = fork();
  if (child == 0) {
    body();
    _exit(0);
  }
  return child;
}

char Byte(int fd) {
  char byte = 0;
  return read(fd, &byte, 1) == 1 ? byte : '\0';
}

void Put(int fd, char byte) { CHECK_EQ(write(fd, &byte, 1), 1); }

struct Pipe {
  Pipe() { CHECK_OK(pipe2(ends, O_CLOEXEC)); }
  ~Pipe() {
    close(ends[0]);
    close(ends[1]);
  }
  int ends[2];
};

volatile sig_atomic_t g_signal;
siginfo_t g_info;

void OnSignal(int sig, siginfo_t* info, void*) {
  g_info = *info;
  g_signal = sig;
}

void Catch(int sig, int flags = 0) {
  struct sigaction action = {};
  action.sa_sigaction = OnSignal;
  action.sa_flags = SA_SIGINFO | flags;
  sigaction(sig, &action, nullptr);
  g_signal = 0;
}

int PidfdOpen(pid_t pid) { return static_cast<int>(syscall(SYS_pidfd_open, pid, 0)); }

}  // namespace

TEST(fexecve_runs_an_open_file) {
  const pid_t child = Fork([] {
    const int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    const char* const arguments[] = {"prog", "--child-fexecve", nullptr};
    fexecve(fd, const_cast<char**>(arguments), environ);
    _exit(1);
  });
  CHECK_EQ(WEXITSTATUS(StatusOf(child)), 42);
}

TEST(exec_by_proc_self_fd) {
  const pid_t child = Fork([] {
    const int fd = open("/proc/self/exe", O_RDONLY);
    const std::string path = "/proc/self/fd/" + std::to_string(fd);
    execl(path.c_str(), "prog", "--child-fd", static_cast<char*>(nullptr));
    _exit(1);
  });
  CHECK_EQ(WEXITSTATUS(StatusOf(child)), 42);
}

TEST(two_mebibytes_of_arguments) {
  const pid_t child = Fork([] {
    rlimit limit{};
    getrlimit(RLIMIT_STACK, &limit);
    limit.rlim_cur = 16 << 20;  // arguments may take a quarter of it
    if (setrlimit(RLIMIT_STACK, &limit) != 0) _exit(1);
    const std::string part(100 << 10, 'x');
    std::vector<const char*> arguments = {"prog", "--child-long"};
    for (int i = 0; i < 20; ++i) arguments.push_back(part.c_str());
    arguments.push_back(nullptr);
    execv("/proc/self/exe", const_cast<char**>(arguments.data()));
    RECORD("execv: %s", ErrnoName(errno));
  });
  CHECK_EQ(WEXITSTATUS(StatusOf(child)), 42);
}

TEST(orphans_go_to_the_subreaper) {
  CHECK_OK(prctl(PR_SET_CHILD_SUBREAPER, 1));
  Pipe go;
  Pipe told;
  const pid_t reaper = getpid();
  const pid_t middle = Fork([&] {
    Fork([&] {
      Byte(go.ends[0]);
      Put(told.ends[1], getppid() == reaper ? 'r' : 'o');
      _exit(9);
    });
  });
  CHECK_EQ(StatusOf(middle), 0);
  Put(go.ends[1], 'g');
  CHECK_EQ(Byte(told.ends[0]), 'r');
  int status = 0;
  const pid_t orphan = waitpid(-1, &status, 0);
  CHECK(orphan > 0 && orphan != middle);
  CHECK_EQ(WEXITSTATUS(status), 9);
  int is_reaper = 0;
  CHECK_OK(prctl(PR_GET_CHILD_SUBREAPER, &is_reaper));
  CHECK_EQ(is_reaper, 1);
  CHECK_OK(prctl(PR_SET_CHILD_SUBREAPER, 0));
}

TEST(queued_signals_are_limited) {
  const pid_t child = Fork([] {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, nullptr);
    const rlimit limit{0, 0};
    CHECK_OK(setrlimit(RLIMIT_SIGPENDING, &limit));
    const sigval value{};
    CHECK_ERRNO(sigqueue(getpid(), SIGRTMIN, value), EAGAIN);
    CHECK_OK(kill(getpid(), SIGUSR1));  // one that is not queued always arrives
    sigset_t pending;
    sigpending(&pending);
    RECORD("pending: %d %d", sigismember(&pending, SIGRTMIN), sigismember(&pending, SIGUSR1));
    _exit(abi::Failures() == 0 ? 0 : 1);
  });
  CHECK_EQ(StatusOf(child), 0);
}

TEST(siginfo_tells_the_source) {
  Catch(SIGUSR1);
  const pid_t child = Fork([] {
    kill(getppid(), SIGUSR1);
    pause();
  });
  CHECK(Eventually([] { return g_signal == SIGUSR1; }));
  RECORD("kill: code %d, pid %d, uid %d", g_info.si_code, g_info.si_pid == child,
         g_info.si_uid == getuid());
  Catch(SIGCHLD);
  kill(child, SIGKILL);
  CHECK(Eventually([] { return g_signal == SIGCHLD; }));
  RECORD("SIGCHLD: code %d, pid %d, status %d", g_info.si_code, g_info.si_pid == child,
         g_info.si_status);
  CHECK(WIFSIGNALED(StatusOf(child)));
  signal(SIGCHLD, SIG_DFL);
  Catch(SIGUSR2);
  const pid_t queuer = Fork([] {
    sigval value{};
    value.sival_int = 77;
    sigqueue(getppid(), SIGUSR2, value);
  });
  CHECK(Eventually([] { return g_signal == SIGUSR2; }));
  RECORD("sigqueue: code %d, pid %d, value %d", g_info.si_code, g_info.si_pid == queuer,
         g_info.si_value.sival_int);
  StatusOf(queuer);
}

TEST(pidfd_of_a_child) {
  Catch(SIGUSR1);
  Pipe ready;
  const pid_t child = Fork([&] {
    Catch(SIGTERM);
    Put(ready.ends[1], 'r');
    while (g_signal == 0) pause();
    _exit(g_info.si_code == SI_USER && g_info.si_pid == getppid() ? 3 : 4);
  });
  const int fd = PidfdOpen(child);
  REQUIRE(fd >= 0);
  Byte(ready.ends[0]);
  pollfd entry{fd, POLLIN, 0};
  CHECK_EQ(poll(&entry, 1, 0), 0);
  CHECK_OK(syscall(SYS_pidfd_send_signal, fd, 0, nullptr, 0));
  CHECK_OK(syscall(SYS_pidfd_send_signal, fd, SIGTERM, nullptr, 0));
  CHECK_EQ(poll(&entry, 1, 10000), 1);
  siginfo_t info{};
  CHECK_OK(waitid(static_cast<idtype_t>(3) /* P_PIDFD */, static_cast<id_t>(fd), &info, WEXITED));
  RECORD("code %d, status %d", info.si_code, info.si_status);
  CHECK_ERRNO(syscall(SYS_pidfd_send_signal, fd, 0, nullptr, 0), ESRCH);
  CHECK_ERRNO(syscall(SYS_pidfd_send_signal, 0, 0, nullptr, 1 << 20), EINVAL);
  CHECK_ERRNO(syscall(SYS_pidfd_send_signal, 1000, SIGKILL, nullptr, 0), EBADF);
  close(fd);
}

TEST(pidfd_kills_and_stops) {
  const pid_t child = Fork([] {
    for (;;) pause();
  });
  const int fd = PidfdOpen(child);
  int status = 0;
  CHECK_OK(syscall(SYS_pidfd_send_signal, fd, SIGSTOP, nullptr, 0));
  CHECK_EQ(waitpid(child, &status, WUNTRACED), child);
  CHECK(WIFSTOPPED(status));
  CHECK_OK(syscall(SYS_pidfd_send_signal, fd, SIGCONT, nullptr, 0));
  CHECK_EQ(waitpid(child, &status, WCONTINUED), child);
  CHECK(WIFCONTINUED(status));
  CHECK_OK(syscall(SYS_pidfd_send_signal, fd, SIGKILL, nullptr, 0));
  CHECK_EQ(WTERMSIG(StatusOf(child)), SIGKILL);
  close(fd);
}

TEST(pidfd_getfd_takes_a_host_file) {
  Pipe ready;
  Pipe data;
  const pid_t child = Fork([&] {
    prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
    Put(ready.ends[1], 'r');
    for (;;) pause();
  });
  Byte(ready.ends[0]);
  const int fd = PidfdOpen(child);
  const long got = syscall(SYS_pidfd_getfd, fd, data.ends[1], 0);
  RECORD("pidfd_getfd: %s", got >= 0 ? "a number" : ErrnoName(errno));
  if (got >= 0) {
    Put(static_cast<int>(got), 'x');
    CHECK_EQ(Byte(data.ends[0]), 'x');
    close(static_cast<int>(got));
  }
  CHECK_ERRNO(syscall(SYS_pidfd_getfd, fd, 900, 0), EBADF);
  CHECK_ERRNO(syscall(SYS_pidfd_getfd, fd, 0, 1), EINVAL);
  kill(child, SIGKILL);
  StatusOf(child);
  close(fd);
}

TEST(sessions_and_groups) {
  const pid_t child = Fork([] {
    CHECK_OK(setsid());
    CHECK_ERRNO(setsid(), EPERM);
    CHECK(getsid(0) == getpid() && getpgrp() == getpid());
    CHECK_ERRNO(setpgid(0, 0), EPERM);
    const pid_t member = Fork([] {
      CHECK_OK(setpgid(0, 0));
      CHECK_EQ(getpgrp(), getpid());
      _exit(abi::Failures());
    });
    CHECK_EQ(StatusOf(member), 0);
    _exit(abi::Failures());
  });
  CHECK_EQ(StatusOf(child), 0);
}

TEST(a_signal_for_a_group_reaches_all_of_it) {
  Pipe ready;
  const auto body = [&] {
    Put(ready.ends[1], 'r');
    for (;;) pause();
  };
  const pid_t first = Fork([&] {
    setpgid(0, 0);
    body();
  });
  setpgid(first, first);
  const pid_t second = Fork([&] {
    setpgid(0, first);
    body();
  });
  setpgid(second, first);
  Byte(ready.ends[0]);
  Byte(ready.ends[0]);
  CHECK_OK(kill(-first, SIGTERM));
  CHECK_EQ(WTERMSIG(StatusOf(first)), SIGTERM);
  CHECK_EQ(WTERMSIG(StatusOf(second)), SIGTERM);
  CHECK_ERRNO(kill(-first, 0), ESRCH);
}

TEST(job_control_on_a_terminal) {
  const int master = posix_openpt(O_RDWR | O_NOCTTY);
  REQUIRE(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
  const std::string name = ptsname(master);
  const pid_t leader = Fork([&] {
    setsid();
    const int terminal = open(name.c_str(), O_RDWR);
    CHECK_OK(ioctl(terminal, TIOCSCTTY, 0));
    Pipe go;
    // A reader in the background stops, and goes on in the foreground.
    const pid_t job = Fork([&] {
      setpgid(0, 0);
      Byte(go.ends[0]);
      char line[16] = "";
      const ssize_t size = read(terminal, line, sizeof line);
      _exit(static_cast<int>(size));
    });
    setpgid(job, job);
    Put(go.ends[1], 'g');
    int status = 0;
    CHECK_EQ(waitpid(job, &status, WUNTRACED), job);
    RECORD("stopped %d by %d", WIFSTOPPED(status), WIFSTOPPED(status) ? WSTOPSIG(status) : 0);
    CHECK_OK(tcsetpgrp(terminal, job));
    CHECK_OK(kill(-job, SIGCONT));
    Put(master, 'a');
    Put(master, '\n');
    CHECK_EQ(WEXITSTATUS(StatusOf(job)), 2);
    // The interrupt character reaches the foreground group only.
    const pid_t other = Fork([] {
      setpgid(0, 0);
      for (;;) pause();
    });
    setpgid(other, other);
    signal(SIGTTOU, SIG_IGN);
    CHECK_OK(tcsetpgrp(terminal, other));
    Put(master, '\003');
    CHECK_EQ(WTERMSIG(StatusOf(other)), SIGINT);
    _exit(abi::Failures());
  });
  CHECK_EQ(StatusOf(leader), 0);
  close(master);
}

TEST(a_daemon_closes_everything) {
  Pipe told;
  const pid_t child = Fork([&] {
    Fork([&] {
      setsid();
      Fork([&] {
        const int kept = dup2(told.ends[1], 3);
        CHECK_OK(syscall(SYS_close_range, 4, ~0U, 0));
        for (const int fd : {0, 1, 2}) close(fd);
        open("/dev/null", O_RDWR);
        int count = 0;
        DIR* const directory = opendir("/proc/self/fd");
        while (const dirent* entry = readdir(directory)) count += entry->d_name[0] != '.';
        closedir(directory);
        Put(kept, static_cast<char>('0' + count));
        _exit(0);
      });
      _exit(0);
    });
    _exit(0);
  });
  CHECK_EQ(StatusOf(child), 0);
  RECORD("open: %c", Byte(told.ends[0]));  // 0, 3 and the directory's
}

namespace {
ucontext_t g_main_context;
ucontext_t g_other_context;
volatile int g_steps;
}  // namespace

TEST(swapcontext_out_of_a_handler) {
  static char stack[64 << 10];
  g_steps = 0;
  getcontext(&g_other_context);
  g_other_context.uc_stack.ss_sp = stack;
  g_other_context.uc_stack.ss_size = sizeof stack;
  g_other_context.uc_link = nullptr;
  makecontext(
      &g_other_context,
      [] {
        g_steps = g_steps + 10;
        setcontext(&g_main_context);
      },
      0);
  signal(SIGUSR1, [](int) {
    g_steps = g_steps + 1;
    swapcontext(&g_main_context, &g_other_context);
    g_steps = g_steps + 100;
  });
  raise(SIGUSR1);
  CHECK_EQ(g_steps, 111);
  sigset_t mask;
  sigprocmask(SIG_SETMASK, nullptr, &mask);
  CHECK_EQ(sigismember(&mask, SIGUSR1), 0);
}

TEST(a_killed_holder_of_a_shared_mutex_and_its_pipe) {
  struct Shared {
    pthread_mutex_t mutex;
  };
  auto* const shared = static_cast<Shared*>(
      mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_init(&shared->mutex, &attributes);
  Pipe told;
  const pid_t child = Fork([&] {
    pthread_mutex_lock(&shared->mutex);
    Put(told.ends[1], 'l');
    for (;;) pause();
  });
  Byte(told.ends[0]);
  close(told.ends[1]);
  CHECK_OK(kill(child, SIGKILL));
  CHECK_EQ(pthread_mutex_lock(&shared->mutex), EOWNERDEAD);
  CHECK_EQ(Byte(told.ends[0]), '\0');
  CHECK_EQ(WTERMSIG(StatusOf(child)), SIGKILL);
  munmap(shared, sizeof(Shared));
}

// Processes: fork(2), vfork(2), wait4(2), waitid(2), posix_spawn(3). Only host fds are shared
// between the processes here.
#include <sched.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "abi_test.h"

using namespace abi;

extern "C" char** environ;

extern "C" int AbiChildMain(int argc, char** argv) {
  if (strcmp(argv[1], "--child-exit") == 0) return argc > 2 ? atoi(argv[2]) : 0;
  if (strcmp(argv[1], "--child-cat") == 0) {
    char buffer[64];
    const ssize_t n = read(0, buffer, sizeof buffer);
    return n > 0 && write(1, buffer, n) == n ? 0 : 1;
  }
  return 99;
}

namespace {

struct Pipe {
  Pipe() { CHECK_OK(pipe(fds)); }
  ~Pipe() {
    close(fds[0]);
    close(fds[1]);
  }
  int fds[2];
};

char g_self[] = "/proc/self/exe";

}  // namespace

TEST(exit_codes) {
  for (int code : {0, 1, 42, 255, 256, -1})
    RECORD("%d: %s", code, StatusText(ChildStatus([=] { return code; })));
}

TEST(killed_by_signal) {
  for (int signal : {SIGTERM, SIGKILL, SIGUSR1, SIGRTMIN}) {
    RECORD("%s", StatusText(ChildStatus([=] {
             kill(getpid(), signal);
             return 0;
           })));
  }
}

TEST(parent_kills_a_blocked_child) {
  for (int signal : {SIGTERM, SIGKILL}) {
    const pid_t pid = Spawn([] {
      for (;;) pause();
      return 0;
    });
    abi::AwaitBlocked(pid, SYS_pause, true);
    CHECK_OK(kill(pid, signal));
    RECORD("%s", StatusText(WaitFor(pid)));
  }
}

TEST(child_has_its_own_pid_and_the_parent_s_as_ppid) {
  const pid_t parent = getpid();
  CHECK_EQ(WEXITSTATUS(ChildStatus(
               [=] { return getppid() == parent && getpid() != parent && Tid() == getpid(); })),
           1);
}

TEST(memory_is_copied) {
  static int value;
  value = 1;
  CHECK_EQ(WEXITSTATUS(ChildStatus([] { return ++value; })), 2);
  CHECK_EQ(value, 1);
}

TEST(shared_memory_is_shared) {
  int* word = static_cast<int*>(
      mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  ChildStatus([=] { return *word = 5; });
  CHECK_EQ(*word, 5);
  munmap(word, 4096);
}

TEST(pipes_carry_data_both_ways) {
  Pipe down, up;
  const pid_t pid = Spawn([&] {
    char c = 0;
    for (int i = 0; i < 100; ++i) {
      if (read(down.fds[0], &c, 1) != 1) return 1;
      ++c;
      if (write(up.fds[1], &c, 1) != 1) return 2;
    }
    return 0;
  });
  for (int i = 0; i < 100; ++i) {
    const char sent = static_cast<char>(i);
    char got = 0;
    CHECK_EQ(write(down.fds[1], &sent, 1), 1);
    CHECK_EQ(read(up.fds[0], &got, 1), 1);
    CHECK_EQ(got, static_cast<char>(i + 1));
  }
  CHECK_EQ(WaitFor(pid), 0);
}

TEST(end_of_file_when_the_child_exits) {
  int p[2];
  CHECK_OK(pipe(p));
  const pid_t pid = Spawn([&] { return static_cast<int>(write(p[1], "abc", 3)); });
  close(p[1]);
  char buffer[8];
  CHECK_EQ(read(p[0], buffer, 8), 3);
  CHECK_EQ(read(p[0], buffer, 8), 0);
  CHECK_EQ(WEXITSTATUS(WaitFor(pid)), 3);
  close(p[0]);
}

TEST(only_the_forking_thread_lives_in_the_child) {
  static int ticks;
  bool stop = false;
  Thread t([&] {
    while (!__atomic_load_n(&stop, __ATOMIC_SEQ_CST)) {
      __atomic_add_fetch(&ticks, 1, __ATOMIC_SEQ_CST);
      SleepMs(1);
    }
  });
  const int status = ChildStatus([] {
    const int before = ticks;
    SleepMs(15);
    return ticks == before ? 0 : 1;
  });
  CHECK_EQ(status, 0);
  __atomic_store_n(&stop, true, __ATOMIC_SEQ_CST);
}

TEST(fork_from_a_second_thread) {
  Thread t([] {
    const pid_t mine = Tid();
    RECORD("%s",
           StatusText(ChildStatus([=] { return Tid() == getpid() && Tid() != mine ? 12 : 13; })));
  });
}

TEST(child_can_make_threads_and_timers_of_its_own) {
  const int status = ChildStatus([] {
    int sum = 0;
    {
      Thread a([&] {
        SleepMs(5);
        __atomic_add_fetch(&sum, 1, __ATOMIC_SEQ_CST);
      });
      Thread b([&] { __atomic_add_fetch(&sum, 2, __ATOMIC_SEQ_CST); });
    }
    return sum;
  });
  RECORD("%s", StatusText(status));
}

TEST(grandchildren) {
  const int status = ChildStatus([] {
    return WEXITSTATUS(ChildStatus([] { return WEXITSTATUS(ChildStatus([] { return 5; })) + 1; })) +
           1;
  });
  RECORD("%s", StatusText(status));
}

TEST(handlers_and_mask_are_inherited_pending_signals_are_not) {
  Handler handler(SIGUSR1, CountSignal);
  const sigset_t set = SigSet(SIGUSR1);
  sigset_t old;
  sigprocmask(SIG_BLOCK, &set, &old);
  raise(SIGUSR1);
  CHECK_EQ(WEXITSTATUS(ChildStatus([] {
             sigset_t pending, mask;
             sigpending(&pending);
             sigprocmask(SIG_BLOCK, nullptr, &mask);
             struct sigaction now;
             sigaction(SIGUSR1, nullptr, &now);
             return !sigismember(&pending, SIGUSR1) && sigismember(&mask, SIGUSR1) &&
                    now.sa_handler == CountSignal;
           })),
           1);
  sigprocmask(SIG_SETMASK, &old, nullptr);
  CHECK_EQ(g_signals, 1);
}

TEST(alarm_is_not_inherited) {
  alarm(1000);
  CHECK_EQ(WEXITSTATUS(ChildStatus([] { return static_cast<int>(alarm(0)); })), 0);
  CHECK(alarm(0) > 0);
}

TEST(wait_lets_other_threads_run) {
  Pipe p;
  const pid_t pid = Spawn([&] {
    char c;
    return static_cast<int>(read(p.fds[0], &c, 1)) + 2;
  });
  int status = -1;
  Thread waiter([&] { status = WaitFor(pid); });
  waiter.AwaitBlocked(SYS_wait4);
  CHECK_EQ(write(p.fds[1], "x", 1), 1);  // only this thread can end the wait
  waiter.Join();
  CHECK_EQ(WEXITSTATUS(status), 3);
}

TEST(wait_without_children_is_ECHILD) {
  int status;
  siginfo_t info;
  RECORD("wait %s, wnohang %s, for a stranger %s, for a group %s", Res(waitpid(-1, &status, 0)),
         Res(waitpid(-1, &status, WNOHANG)), Res(waitpid(1, &status, 0)),
         Res(waitpid(-0x3ffffff, &status, 0)));
  RECORD("bad options %s, INT_MIN %s", Res(waitpid(-1, &status, 0x40000)),
         Res(waitpid(-2147483647 - 1, &status, 0)));
  RECORD("waitid: no options %s, bad idtype %s, bad options %s, none %s, pid 0 %s",
         Res(waitid(P_ALL, 0, &info, 0)), Res(waitid(static_cast<idtype_t>(99), 0, &info, WEXITED)),
         Res(waitid(P_ALL, 0, &info, WEXITED | 0x40000)), Res(waitid(P_ALL, 0, &info, WEXITED)),
         Res(waitid(P_PID, 0, &info, WEXITED)));
}

TEST(wnohang_is_zero_while_the_child_runs) {
  Pipe p;
  const pid_t pid = Spawn([&] {
    char c;
    return static_cast<int>(read(p.fds[0], &c, 1));
  });
  int status = 77;
  CHECK_EQ(waitpid(pid, &status, WNOHANG), 0);
  CHECK_EQ(status, 77);
  CHECK_EQ(write(p.fds[1], "x", 1), 1);
  CHECK_EQ(waitpid(pid, &status, 0), pid);
  CHECK_ERRNO(waitpid(pid, &status, 0), ECHILD);
}

TEST(wait_for_one_child_of_several) {
  const pid_t a = Spawn([] { return 1; }), b = Spawn([] { return 2; }), c = Spawn([] { return 3; });
  CHECK_EQ(WEXITSTATUS(WaitFor(b)), 2);
  CHECK_EQ(WEXITSTATUS(WaitFor(c)), 3);
  int status;
  CHECK_EQ(wait(&status), a);
  CHECK_EQ(WEXITSTATUS(status), 1);
}

TEST(waitid_information) {
  const auto show = [](const char* what, pid_t pid, int options) {
    siginfo_t info = {};
    const char* result = Res(waitid(P_PID, pid, &info, options));
    RECORD("%s: %s, signo %d code %d status %d, right pid %d", what, result, info.si_signo,
           info.si_code, info.si_status, info.si_pid == pid);
  };
  pid_t pid = Spawn([] { return 9; });
  show("exited, not reaped", pid, WEXITED | WNOWAIT);
  show("exited", pid, WEXITED);
  show("again", pid, WEXITED);
  pid = Spawn([] {
    raise(SIGKILL);
    return 0;
  });
  show("killed", pid, WEXITED);
  pid = Spawn([] {
    for (;;) pause();
    return 0;
  });
  show("running", pid, WEXITED | WNOHANG);
  kill(pid, SIGTERM);
  show("terminated", pid, WEXITED);
}

TEST(wild_pointers_to_wait) {
  pid_t pid = Spawn([] { return 9; });
  RECORD("wait4 status %s", Res(syscall(SYS_wait4, pid, Wild(), 0, nullptr) == pid ? 1 : -1));
  RECORD("then again %s", Res(syscall(SYS_wait4, pid, nullptr, WNOHANG, nullptr)));
  pid = Spawn([] { return 9; });
  rusage usage;
  CHECK_EQ(syscall(SYS_wait4, pid, nullptr, 0, &usage), pid);
  pid = Spawn([] { return 9; });
  RECORD("waitid %s", Res(syscall(SYS_waitid, P_PID, pid, Wild(), WEXITED, nullptr)));
  RECORD("then again %s",
         Res(syscall(SYS_waitid, P_PID, pid, nullptr, WEXITED | WNOHANG, nullptr)));
}

TEST(stop_and_continue) {
  Pipe p;
  const pid_t pid = Spawn([&] {
    raise(SIGSTOP);
    char c;  // stays until the parent has seen it continue
    return static_cast<int>(read(p.fds[0], &c, 1)) + 3;
  });
  int status = 0;
  CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
  RECORD("%s", StatusText(status));
  CHECK_OK(kill(pid, SIGCONT));
  CHECK_EQ(waitpid(pid, &status, WCONTINUED), pid);
  RECORD("continued %d", WIFCONTINUED(status) != 0);
  CHECK_EQ(write(p.fds[1], "x", 1), 1);
  RECORD("%s", StatusText(WaitFor(pid)));
}

TEST(wait_restarts_with_SA_RESTART_and_is_EINTR_without) {
  for (int flags : {0, SA_RESTART}) {
    Handler handler(SIGUSR1, CountSignal, flags);
    g_signals = 0;
    Pipe p;
    const pid_t pid = Spawn([&] {
      char c;
      return static_cast<int>(read(p.fds[0], &c, 1)) + 5;
    });
    pid_t got = 0;
    int error = 0, status = 0;
    Thread waiter([&] {
      got = waitpid(pid, &status, 0);
      error = errno;
    });
    waiter.AwaitBlocked(SYS_wait4);
    Tgkill(waiter.tid(), SIGUSR1);
    while (g_signals == 0) SleepMs(1);
    CHECK_EQ(write(p.fds[1], "x", 1), 1);
    waiter.Join();
    RECORD("%s: %s", flags ? "SA_RESTART" : "plain",
           got == pid ? StatusText(status) : ErrnoName(error));
    if (got != pid) WaitFor(pid);
  }
}

TEST(sigchld_ignored_reaps_by_itself) {
  Handler ignore(SIGCHLD, SIG_IGN);
  const pid_t pid = Spawn([] { return 1; });
  int status;
  CHECK_ERRNO(waitpid(pid, &status, 0), ECHILD);
}

TEST(vfork_shares_memory_and_blocks_the_parent) {
  static volatile int value;
  value = 0;
  const pid_t pid = vfork();
  if (pid == 0) {
    value = 5;
    _exit(6);
  }
  CHECK_EQ(value, 5);
  CHECK_EQ(WEXITSTATUS(WaitFor(pid)), 6);
}

TEST(vfork_and_exec) {
  static char mode[] = "--child-exit", code[] = "17";
  char* argv[] = {g_self, mode, code, nullptr};
  const pid_t pid = vfork();
  if (pid == 0) {
    execv(g_self, argv);
    _exit(127);
  }
  RECORD("%s", StatusText(WaitFor(pid)));
}

TEST(vfork_and_failed_exec) {
  static volatile int error;
  char* argv[] = {g_self, nullptr};
  const pid_t pid = vfork();
  if (pid == 0) {
    execv("/nonexistent/program", argv);
    error = errno;
    _exit(127);
  }
  CHECK_EQ(error, ENOENT);
  RECORD("%s", StatusText(WaitFor(pid)));
}

TEST(posix_spawn_runs_and_reports_a_missing_file) {
  static char mode[] = "--child-exit", code[] = "18";
  char* argv[] = {g_self, mode, code, nullptr};
  pid_t pid = 0;
  CHECK_EQ(posix_spawn(&pid, g_self, nullptr, nullptr, argv, environ), 0);
  RECORD("%s", StatusText(WaitFor(pid)));
  CHECK_EQ(posix_spawn(&pid, "/nonexistent/program", nullptr, nullptr, argv, environ), ENOENT);
  CHECK_EQ(posix_spawn(&pid, "/dev/null", nullptr, nullptr, argv, environ), EACCES);
  int status;
  CHECK_ERRNO(waitpid(-1, &status, WNOHANG), ECHILD);  // the failed children are reaped
}

TEST(posix_spawn_with_file_actions) {
  Pipe in, out;
  static char mode[] = "--child-cat";
  char* argv[] = {g_self, mode, nullptr};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in.fds[0], 0);
  posix_spawn_file_actions_adddup2(&actions, out.fds[1], 1);
  pid_t pid = 0;
  CHECK_EQ(write(in.fds[1], "hello", 5), 5);
  CHECK_EQ(posix_spawn(&pid, g_self, &actions, nullptr, argv, environ), 0);
  char buffer[8] = {};
  CHECK_EQ(read(out.fds[0], buffer, 5), 5);
  CHECK(memcmp(buffer, "hello", 5) == 0);
  RECORD("%s", StatusText(WaitFor(pid)));
  posix_spawn_file_actions_destroy(&actions);
}

TEST(system_and_popen) {
  RECORD("system: %s", StatusText(system("exit 3")));
  RECORD("missing command: %s", StatusText(system("/nonexistent/program 2>/dev/null")));
  FILE* f = popen("echo one | tr a-z A-Z", "r");
  REQUIRE(f != nullptr);
  char line[32] = "";
  CHECK(fgets(line, sizeof line, f) != nullptr);
  RECORD("popen: %.3s", line);
  RECORD("pclose: %s", StatusText(pclose(f)));
}

TEST(file_offset_is_shared_with_the_child) {
  const int fd = static_cast<int>(syscall(SYS_memfd_create, "f", 0));
  CHECK_EQ(write(fd, "abcdef", 6), 6);
  lseek(fd, 0, SEEK_SET);
  char c;
  ChildStatus([&] { return static_cast<int>(read(fd, &c, 1)); });
  CHECK_EQ(read(fd, &c, 1), 1);
  CHECK_EQ(c, 'b');
  close(fd);
}

TEST(twenty_children_at_once) {
  pid_t pids[20];
  for (int i = 0; i < 20; ++i) {
    pids[i] = Spawn([=] {
      SleepMs(5);
      return i;
    });
  }
  for (int i = 0; i < 20; ++i) CHECK_EQ(WEXITSTATUS(WaitFor(pids[i])), i);
}

TEST(parent_death_signal) {
  Pipe p;
  const int status = ChildStatus([&] {
    Spawn([&] {
      signal(SIGUSR1, [](int) { _exit(0); });
      prctl(PR_SET_PDEATHSIG, SIGUSR1);
      (void)!write(p.fds[1], "r", 1);
      for (;;) pause();
      return 0;
    });
    char c;
    return static_cast<int>(read(p.fds[0], &c, 1));
  });
  RECORD("%s", StatusText(status));
}

// Processes that share memory with their parent: clone(2) with CLONE_VM, but without CLONE_THREAD or
// CLONE_VFORK; and what ptrace(2) shows such a process of its parent's threads.
#include <elf.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>

#include "abi_test.h"

using namespace abi;

namespace {

struct Child {
  explicit Child(int (*body)(void*), void* argument, int flags) {
    pid = clone(body, stack + sizeof stack, flags, argument);
  }
  alignas(16) char stack[64 * 1024];
  pid_t pid;
};

struct Shared {
  pid_t parent = getpid();
  pid_t own = 0;
  pid_t seen_parent = 0;
  int value = 0;
};

int Body(void* argument) {
  auto* shared = static_cast<Shared*>(argument);
  shared->own = static_cast<pid_t>(syscall(SYS_getpid));
  shared->seen_parent = static_cast<pid_t>(syscall(SYS_getppid));
  shared->value = 42;
  return 7;
}

}  // namespace

TEST(shares_memory_and_has_an_id_of_its_own) {
  Shared shared;
  Child child(&Body, &shared, CLONE_VM | SIGCHLD);
  int status = 0;
  CHECK_EQ(waitpid(child.pid, &status, 0), child.pid);
  RECORD("exit %d, value %d", WEXITSTATUS(status), shared.value);
  CHECK_EQ(shared.own, child.pid);
  CHECK_EQ(shared.seen_parent, shared.parent);
  CHECK_ERRNO(waitpid(child.pid, &status, 0), ECHILD);
}

TEST(without_exit_signal_only_wall_finds_it) {
  Shared shared;
  Child child(&Body, &shared, CLONE_VM);
  int status = 0;
  CHECK_ERRNO(waitpid(child.pid, &status, 0), ECHILD);
  CHECK_EQ(waitpid(child.pid, &status, __WALL), child.pid);
  CHECK_EQ(WEXITSTATUS(status), 7);
  Child other(&Body, &shared, CLONE_VM);
  CHECK_EQ(waitpid(-1, &status, __WCLONE), other.pid);
}

TEST(its_end_sends_the_exit_signal) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  Shared shared;
  Child child(&Body, &shared, CLONE_VM | SIGUSR1);
  siginfo_t info = {};
  CHECK_EQ(sigwaitinfo(&set, &info), SIGUSR1);
  CHECK_EQ(info.si_pid, child.pid);
  RECORD("code %d status %d", info.si_code, info.si_status);
  CHECK_EQ(waitpid(child.pid, nullptr, __WALL), child.pid);
  sigprocmask(SIG_UNBLOCK, &set, nullptr);
}

TEST(has_signal_actions_of_its_own) {
  signal(SIGUSR2, SIG_IGN);
  auto body = [](void* result) {
    struct sigaction old = {};
    sigaction(SIGUSR2, nullptr, &old);
    *static_cast<bool*>(result) = old.sa_handler == SIG_IGN;
    signal(SIGUSR2, [](int) {});
    return 0;
  };
  bool inherited = false;
  Child child(body, &inherited, CLONE_VM | SIGCHLD);
  CHECK_EQ(waitpid(child.pid, nullptr, 0), child.pid);
  CHECK(inherited);
  struct sigaction mine = {};
  sigaction(SIGUSR2, nullptr, &mine);
  CHECK(mine.sa_handler == SIG_IGN);
  signal(SIGUSR2, SIG_DFL);
}

namespace {

struct Trace {
  pid_t tid;
  int status = 0;
  long attached = -1, waited = -1, detached = -1, own = 0, unknown = 0;
  unsigned long rsp = 0, set_rsp = 0;
  size_t set_size = 0;
  int* turns;
  bool stood_still = false;
};

int Tracer(void* argument) {
  auto* trace = static_cast<Trace*>(argument);
  trace->own = ptrace(PTRACE_ATTACH, syscall(SYS_gettid), nullptr, nullptr) == -1 ? errno : 0;
  trace->unknown = ptrace(PTRACE_DETACH, trace->tid, nullptr, nullptr) == -1 ? errno : 0;
  trace->attached = ptrace(PTRACE_ATTACH, trace->tid, nullptr, nullptr);
  trace->waited = waitpid(trace->tid, &trace->status, __WALL);
  const int before = __atomic_load_n(trace->turns, __ATOMIC_SEQ_CST);
  SleepMs(20);
  trace->stood_still = before == __atomic_load_n(trace->turns, __ATOMIC_SEQ_CST);
  user_regs_struct regs = {};
  ptrace(PTRACE_GETREGS, trace->tid, nullptr, &regs);
  trace->rsp = regs.rsp;
  iovec vector = {&regs, sizeof regs};
  ptrace(PTRACE_GETREGSET, trace->tid, NT_PRSTATUS, &vector);
  trace->set_rsp = regs.rsp;
  trace->set_size = vector.iov_len;
  trace->detached = ptrace(PTRACE_DETACH, trace->tid, nullptr, nullptr);
  return 0;
}

}  // namespace

TEST(holds_a_thread_of_its_parent_and_sees_its_registers) {
  prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
  int turns = 0;
  bool stop = false;
  char* volatile frame = nullptr;
  Thread spinner([&] {
    char here = 0;
    frame = &here;
    while (!__atomic_load_n(&stop, __ATOMIC_SEQ_CST)) {
      __atomic_add_fetch(&turns, 1, __ATOMIC_SEQ_CST);
      SleepMs(1);
    }
  });
  SleepMs(5);
  Trace trace;
  trace.tid = spinner.tid();
  trace.turns = &turns;
  Child child(&Tracer, &trace, CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_UNTRACED);
  CHECK_EQ(waitpid(child.pid, nullptr, __WALL), child.pid);
  RECORD("self %s, not traced %s", ErrnoName(static_cast<int>(trace.own)),
         ErrnoName(static_cast<int>(trace.unknown)));
  RECORD("attach %ld, status %x, detach %ld", trace.attached, trace.status, trace.detached);
  CHECK_EQ(trace.waited, trace.tid);
  CHECK(trace.stood_still);
  const auto distance = reinterpret_cast<unsigned long>(frame) - trace.rsp;
  CHECK(distance < 4096);
  CHECK_EQ(trace.set_rsp, trace.rsp);
  RECORD("size %zu", trace.set_size);
  const int before = __atomic_load_n(&turns, __ATOMIC_SEQ_CST);
  SleepMs(20);
  CHECK(__atomic_load_n(&turns, __ATOMIC_SEQ_CST) > before);
  __atomic_store_n(&stop, true, __ATOMIC_SEQ_CST);
}

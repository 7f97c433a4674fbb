#include "syscalls/process.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <vector>

#include "emu/arch/x86_64/host_call.h"
#include "emu/arch/x86_64/interrupts.h"
#include "emu/arch/x86_64/site_patcher_unsafe.h"
#include "emu/fd/hand_over.h"
#include "emu/kernel/kernel.h"
#include "emu/kernel/robust_list.h"
#include "emu/mem/user_copy_unsafe.h"
#include "emu/process/boot.h"
#include "emu/process/vfork_unsafe.h"
#include "emu/sched/block.h"
#include "emu/signal/task_signals.h"
#include "syscalls/host_wait.h"
#include "syscalls/strace.h"

namespace detent::syscalls {
namespace {

using arch::host_call;

// New namespaces are the host's affair: the child is a process of the host like any other.
constexpr std::uint64_t kNamespaceFlags = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC |
                                          CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET |
                                          CLONE_NEWCGROUP;
// Flags with a meaning for a new process that we keep; the host sees none of them.
constexpr std::uint64_t kKnownFlags = CLONE_VM | CLONE_VFORK | CLONE_CHILD_SETTID |
                                      CLONE_CHILD_CLEARTID | CLONE_PARENT_SETTID | CLONE_SETTLS |
                                      CLONE_PIDFD | CLONE_DETACHED;

Result<long> fork_host(Task& task, const CloneRequest& request) {
  const arch::HostSignalsBlocked blocked;
  task.kernel().drain_host_signals();
  if (request.flags & CLONE_VM) return process::host_vfork(task, request.exit_signal);
  const std::uint64_t flags = request.exit_signal | (request.flags & kNamespaceFlags);
  return arch::to_result(arch::host_syscall(SYS_clone, flags));
}

void start_child(Task& task, const CloneRequest& request) {
  arch::UserRegs& regs = task.user.regs;
  task.kernel().become_child(task, (request.flags & CLONE_VM) != 0);
  // The parent's record of patches is from before the fork, and the text is one.
  if (request.flags & CLONE_VM) arch::site_patcher().suspend();
  if (request.stack != 0) regs.rsp = request.stack;
  if (request.flags & CLONE_SETTLS) regs.fs_base = request.tls;
  task.clear_child_tid = (request.flags & CLONE_CHILD_CLEARTID) ? request.child_tid : 0;
  if (request.flags & CLONE_CHILD_SETTID) {
    static_cast<void>(mem::copy_out(UserPtr<std::int32_t>(request.child_tid), raw(task.tid())));
  }
}

Result<void> give_parent_its_ids(const CloneRequest& request, int pid) {
  if (request.flags & CLONE_PARENT_SETTID) {
    static_cast<void>(mem::copy_out(UserPtr<std::int32_t>(request.parent_tid), pid));
  }
  if (request.flags & CLONE_PIDFD) {
    const auto fd = static_cast<std::int32_t>(TRY(host_call(SYS_pidfd_open, pid, 0)));
    TRY(mem::copy_out(UserPtr<std::int32_t>(request.pidfd), fd));
  }
  return {};
}

// argv or envp: a null-terminated array of pointers. The strings themselves are read by the host's
// execve, which runs in the same address space. A null array is an empty one.
Result<std::vector<const char*>> pointer_array(std::uint64_t address) {
  std::vector<const char*> pointers;
  for (std::uint64_t at = address; address != 0; at += 8) {
    const auto pointer = TRY(mem::copy_in(UserPtr<const char* const>(at)));
    if (pointer == nullptr) break;
    pointers.push_back(pointer);
  }
  pointers.push_back(nullptr);
  return pointers;
}

// A run's report and time budget are those of all programs that its first process executes.
void keep_recording(emu::Kernel& kernel, process::BootRecord& record) {
  record.trace = kernel.chooser().carry();
  record.start_ns = kernel.record().start_ns();
  std::int64_t& budget = record.config.time_budget_ns;
  const std::int64_t passed = kernel.clocks().monotonic().ns() - kernel.record().start_ns();
  if (budget != 0) budget = std::max<std::int64_t>(budget - passed, 1);
  std::uint64_t& steps = record.config.max_steps;
  if (steps != 0)
    steps = steps > kernel.scheduler().steps() ? steps - kernel.scheduler().steps() : 1;
  if (!kernel.chooser().active()) return;
  const std::vector<std::uint8_t> bytes = trace::to_bytes(kernel.chooser().recorded());
  const Result<int> fd = process::make_kept_file("detent-recorded", bytes);
  if (fd.ok()) record.recorded_fd = fd.value();
}

process::BootRecord boot_record(Task& task) {
  emu::Kernel& kernel = task.kernel();
  process::BootRecord record;
  record.config = kernel.config();
  record.config.random_seed = kernel.chooser().random_seed();
  record.filter_installed = true;
  record.clocks = kernel.clock_state();
  record.timekeeping = task.process().timekeeping().state();
  record.blocked = task.signals->blocked();
  record.pending = task.signals->pending();
  record.ignored = task.process().signals().explicitly_ignored();
  record.nice = task.nice;
  record.timer_slack = task.timer_slack;
  for (int which = 0; which < 3; ++which) {
    const process::ITimers::Times times = task.process().itimers().get(which);
    record.interval_timers[which] = {times.value, times.interval};
  }
  record.session_fd = kernel.session().fd();
  record.session_doorbell = kernel.session().doorbell();
  record.session_slot = kernel.session().slot();
  record.turns_fd = kernel.turns().fd();
  record.steps_seen = kernel.steps_seen();
  record.children = kernel.children();
  record.has_relatives = kernel.has_relatives();
  keep_recording(kernel, record);
  return record;
}

bool is_detent(const loader::Program& program) {
  struct stat self {};
  struct stat found {};
  return host_call(SYS_stat, "/proc/self/exe", &self).ok() &&
         host_call(SYS_fstat, program.file.get(), &found).ok() && self.st_dev == found.st_dev &&
         self.st_ino == found.st_ino;
}

Result<long> exec(Task& task, int dir_fd, const std::string& path, std::uint64_t argv,
                  std::uint64_t envp, int flags) {
  std::string complaint;
  const std::string name = task.process().is_own_exe(path) ? task.process().exe_path : path;
  loader::Program program = TRY(loader::find_program(dir_fd, name, flags, &complaint));
  if (is_detent(program)) {
    // The guest's own link under another name ("proc/self/exe" relative to "/"): the host's shows detent.
    program = TRY(loader::find_program(AT_FDCWD, task.process().exe_path, 0, &complaint));
  }
  std::vector<const char*> arguments = TRY(pointer_array(argv));
  std::vector<const char*> environment = TRY(pointer_array(envp));
  fd::hand_over_files(task.process().fds(), fd::Sharing::kExec, task.kernel().host_keeps_time());
  if (const char* kind = task.process().fds().lost_by_exec()) {
    task.kernel().warn_once(std::string("keeping a ") + kind + " over exec (not close-on-exec)");
  }
  emu::release_all_futexes(task.kernel());
  return process::host_exec(boot_record(task), std::move(program), path, std::move(arguments),
                            std::move(environment));
}

constexpr long kLastHostPid = 1 << 22;  // PID_MAX_LIMIT

bool ended(int status) { return WIFEXITED(status) || WIFSIGNALED(status); }

// True if there is no child of any kind, whatever a wait has asked for.
bool has_no_child() {
  siginfo_t info{};
  const Result<long> any =
      host_call(SYS_waitid, P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | __WALL, nullptr);
  return !any.ok() && any.error() == Errno{ECHILD};
}

// Calls `look`, a host wait that does not block (EAGAIN: no news yet), until it finds a child or there is
// none to wait for.
Result<long> wait_for_child(Task& task, bool nohang, const std::function<Result<long>()>& look) {
  emu::Kernel& kernel = task.kernel();
  const auto attempt = [&]() -> waitq::Attempt<long> {
    const Result<long> found = look();
    if (found.ok() || found.error() != Errno{EAGAIN}) return found;
    if (nohang) return 0L;
    // An orphan that has come to this process is a child as well (PR_SET_CHILD_SUBREAPER).
    if (kernel.children() == 0 && !has_no_child()) kernel.child_started(true);
    return waitq::Blocked{&kernel.child_events(), waitq::kIn};
  };
  const auto raw_attempt = [&]() -> long {
    const Result<long> found = look();
    return found.ok() ? found.value() : -found.error().value;
  };
  sched::WaitRules rules;
  rules.what = "wait4";
  const Result<long> result =
      kernel.quiet_children() && !nohang
          ? retry_paced(task, Errno{EAGAIN}, {.what = "wait4"}, nullptr, raw_attempt)
          : sched::block_until<long>(kernel.scheduler(), task, rules, attempt);
  if (!result.ok() && result.error() == Errno{ECHILD} && has_no_child()) kernel.no_children();
  return result;
}

}  // namespace

Result<long> sys_fork(Task& task) {
  CloneRequest request;
  request.exit_signal = SIGCHLD;
  return clone_process(task, request);
}

Result<long> sys_vfork(Task& task) {
  CloneRequest request;
  request.flags = CLONE_VM | CLONE_VFORK;
  request.exit_signal = SIGCHLD;
  return clone_process(task, request);
}

Result<long> clone_process(Task& task, const CloneRequest& request) {
  if (request.flags & ~(kKnownFlags | kNamespaceFlags)) {
    task.kernel().warn_once("clone with flags that detent does not support");
    return Errno{EINVAL};
  }
  const bool lent = (request.flags & CLONE_VM) != 0;
  TRY(task.kernel().before_fork(lent));
  const auto sharing = lent ? fd::Sharing::kVfork : fd::Sharing::kFork;
  fd::hand_over_files(task.process().fds(), sharing, task.kernel().host_keeps_time());
  task.kernel().child_started(request.exit_signal == SIGCHLD);
  const Result<long> pid = fork_host(task, request);
  if (!pid.ok() || pid.value() > 0) {
    task.kernel().after_fork(static_cast<int>(pid.ok() ? pid.value() : 0), lent);
  }
  if (!pid.ok()) {
    task.kernel().child_reaped();
    return pid.error();
  }
  if (pid.value() == 0) {
    start_child(task, request);
  } else {
    TRY(give_parent_its_ids(request, static_cast<int>(pid.value())));
  }
  return pid;
}

Result<long> sys_execve(Task& task, UserPtr<const char> path, std::uint64_t argv,
                        std::uint64_t envp) {
  const std::string name = TRY(mem::copy_in_string(path));
  if (name.empty()) return Errno{ENOENT};
  return exec(task, AT_FDCWD, name, argv, envp, 0);
}

Result<long> sys_execveat(Task& task, Fd dir, UserPtr<const char> path, std::uint64_t argv,
                          std::uint64_t envp, int flags) {
  const std::string name = TRY(mem::copy_in_string(path));
  if (name.empty() && !(flags & AT_EMPTY_PATH)) return Errno{ENOENT};
  if (flags & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW)) return Errno{EINVAL};
  return exec(task, raw(dir), name, argv, envp, flags);
}

Result<long> sys_wait4(Task& task, int pid, UserPtr<int> status, int options,
                       std::uint64_t rusage) {
  int found_status = 0;
  const auto look = [&]() -> Result<long> {
    const auto own = task.process().vm_clones().take(task.group, pid, options);
    if (own.ok()) {
      found_status = own.value().status;
      return raw(own.value().id);
    }
    if (task.process().vm_clones().contains(Tid{pid})) return own.error();
    const Result<long> found = host_call(SYS_wait4, pid, &found_status, options | WNOHANG,
                                         static_cast<std::int64_t>(rusage));
    if (found.ok() && found.value() == 0) return Errno{EAGAIN};
    return found.ok() || found.error() != Errno{ECHILD} ? found : own.error();
  };
  const long child = TRY(wait_for_child(task, (options & WNOHANG) != 0, look));
  if (child == 0) return 0;
  const bool is_hosts = child <= kLastHostPid;
  if (is_hosts && ended(found_status)) task.kernel().child_reaped();
  if (!status.is_null()) TRY(mem::copy_out(status, found_status));
  return child;
}

Result<long> sys_waitid(Task& task, int type, int id, std::uint64_t info, int options,
                        std::uint64_t rusage) {
  siginfo_t found{};
  const auto look = [&]() -> Result<long> {
    found.si_pid = 0;
    const Result<long> done = host_call(SYS_waitid, type, id, &found, options | WNOHANG,
                                        static_cast<std::int64_t>(rusage));
    if (done.ok() && found.si_pid == 0) return Errno{EAGAIN};
    return done;
  };
  const Result<long> waited = wait_for_child(task, (options & WNOHANG) != 0, look);
  if (!waited.ok()) found = {};
  const bool gone =
      found.si_code == CLD_EXITED || found.si_code == CLD_KILLED || found.si_code == CLD_DUMPED;
  if (found.si_pid != 0 && gone && !(options & WNOWAIT)) task.kernel().child_reaped();
  if (info == 0) return waited;
  // kernel/exit.c writes these six fields, even after an error, and leaves the rest alone.
  const std::int32_t head[] = {found.si_signo, 0, found.si_code};
  const std::int32_t tail[] = {found.si_pid, static_cast<std::int32_t>(found.si_uid),
                               found.si_status};
  TRY(mem::copy_out_bytes(info, head, sizeof(head)));
  TRY(mem::copy_out_bytes(info + 16, tail, sizeof(tail)));
  return waited;
}

}  // namespace detent::syscalls

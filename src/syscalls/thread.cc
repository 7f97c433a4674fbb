#include "syscalls/thread.h"

#include <linux/futex.h>
#include <linux/rseq.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cstring>

#include "emu/arch/x86_64/host_call.h"
#include "emu/kernel/kernel.h"
#include "emu/kernel/robust_list.h"
#include "emu/mem/user_copy_unsafe.h"
#include "emu/signal/task_signals.h"
#include "syscalls/process.h"
#include "syscalls/strace.h"

namespace detent::syscalls {
namespace {

constexpr std::uint64_t kThreadFlags = CLONE_VM | CLONE_SIGHAND | CLONE_THREAD;

// sched(7): a new thread has its creator's policy and priority, unless that said SCHED_RESET_ON_FORK.
void inherit_priority(const Task& task, Task& child) {
  constexpr int kResetOnFork = 0x40000000;
  const bool reset = (task.policy & kResetOnFork) != 0;
  if (!reset || task.nice > 0) child.nice = task.nice;
  if (reset && task.priority != 0) return;
  child.policy = task.policy & ~kResetOnFork;
  child.priority = task.priority;
  child.pi.set_normal(task.priority);
}

// A new task, not yet running, whose state is as `request` says.
void set_up_clone(Task& task, Task& child, const CloneRequest& request) {
  arch::UserRegs& regs = child.user.regs;
  regs.rax = 0;
  if (request.stack != 0) regs.rsp = request.stack;
  if (request.flags & CLONE_SETTLS) regs.fs_base = request.tls;
  task.kernel().record().add(child);
  child.name = task.name;
  child.timer_slack = task.timer_slack;
  child.affinity = task.affinity;
  inherit_priority(task, child);
  child.signals->set_blocked(task.signals->blocked());
  if (request.flags & CLONE_CHILD_CLEARTID) child.clear_child_tid = request.child_tid;
  // clone(2): a bad pointer here is not an error.
  const std::int32_t tid = raw(child.tid());
  if (request.flags & CLONE_PARENT_SETTID) {
    static_cast<void>(mem::copy_out(UserPtr<std::int32_t>(request.parent_tid), tid));
  }
  if (request.flags & CLONE_CHILD_SETTID) {
    static_cast<void>(mem::copy_out(UserPtr<std::int32_t>(request.child_tid), tid));
  }
}

Result<long> clone_thread(Task& task, const CloneRequest& request) {
  if ((request.flags & kThreadFlags) != kThreadFlags) return Errno{EINVAL};
  process::Process& process = task.process();
  if (task.group != process.pid()) {
    task.kernel().warn_once("a thread of a process that shares memory with its parent");
    return Errno{EINVAL};
  }
  Task& child = process.create_task(process.next_tid(), task.user, emu::Kernel::run_task);
  set_up_clone(task, child, request);
  task.kernel().scheduler().add(child);
  return raw(child.tid());
}

// CLONE_VM without CLONE_THREAD or CLONE_VFORK (vm_clones.h). Files are shared whatever CLONE_FILES says.
Result<long> clone_vm(Task& task, const CloneRequest& request) {
  process::Process& process = task.process();
  const Tid id = process.next_tid();
  Task& child = process.create_vm_clone(id, task, emu::Kernel::run_task);
  set_up_clone(task, child, request);
  process.vm_clones().add(id, task.group, static_cast<int>(request.exit_signal));
  task.kernel().scheduler().add(child);
  return raw(id);
}

// kernel/fork.c copy_process(): combinations that make no sense.
Result<void> check_flags(std::uint64_t flags) {
  if ((flags & CLONE_SIGHAND) && !(flags & CLONE_VM)) return Errno{EINVAL};
  if ((flags & CLONE_THREAD) && !(flags & CLONE_SIGHAND)) return Errno{EINVAL};
  if ((flags & CLONE_FS) && (flags & CLONE_NEWNS)) return Errno{EINVAL};
  return {};
}

Result<long> clone(Task& task, const CloneRequest& request) {
  TRY(check_flags(request.flags));
  if (request.flags & CLONE_THREAD) return clone_thread(task, request);
  const bool suspends_parent = (request.flags & CLONE_VFORK) != 0;
  if ((request.flags & CLONE_VM) && !suspends_parent) return clone_vm(task, request);
  return clone_process(task, request);
}

// The end of a VM clone, of which its parent is told.
void leave_vm_clone(Task& task, int status) {
  process::Process& process = task.process();
  process::VmClones& clones = process.vm_clones();
  const auto release = [&](Tid tracee) {
    if (Task* held = process.find(tracee)) task.kernel().scheduler().release(*held);
  };
  const Tid parent = clones.parent(task.tid());
  const int sig = clones.ended(task.tid(), (status & 0xff) << 8, release);
  if (Task* told = sig != 0 ? process.find(parent) : nullptr) {
    siginfo_t info{};
    info.si_signo = sig;
    info.si_code = CLD_EXITED;
    info.si_pid = raw(task.tid());
    info.si_status = status & 0xff;
    // A full queue loses it, as on Linux.
    static_cast<void>(told->signals->process().send(info));
  }
  task.kernel().child_events().notify(waitq::kIn, ~0U);
}

}  // namespace

Result<long> sys_clone(Task& task, std::uint64_t flags, std::uint64_t stack,
                       std::uint64_t parent_tid, std::uint64_t child_tid, std::uint64_t tls) {
  CloneRequest request;
  request.exit_signal = flags & CSIGNAL;
  request.flags = flags & 0xffffffff & ~std::uint64_t{CSIGNAL};
  request.pidfd = parent_tid;
  request.parent_tid = parent_tid;
  request.child_tid = child_tid;
  request.stack = stack;
  request.tls = tls;
  return clone(task, request);
}

Result<long> sys_clone3(Task& task, std::uint64_t args, std::uint64_t size) {
  clone_args copied{};
  if (size > 4096) return Errno{E2BIG};
  if (size < CLONE_ARGS_SIZE_VER0) return Errno{EINVAL};
  TRY(mem::copy_in_bytes(&copied, args, std::min<std::size_t>(size, sizeof(copied))));
  for (std::uint64_t i = sizeof(copied); i < size; ++i) {
    if (TRY(mem::copy_in(UserPtr<const char>(args + i))) != 0) return Errno{E2BIG};
  }
  const bool has_stack = copied.stack != 0;
  if (has_stack != (copied.stack_size != 0) || copied.exit_signal > 64) return Errno{EINVAL};
  if ((copied.flags & (CLONE_THREAD | CLONE_PARENT)) && copied.exit_signal != 0) {
    return Errno{EINVAL};
  }
  if ((copied.flags & CSIGNAL) || copied.set_tid != 0 || copied.set_tid_size != 0) {
    return Errno{EINVAL};
  }
  return clone(task,
               {copied.flags, copied.pidfd, copied.child_tid, copied.parent_tid, copied.exit_signal,
                has_stack ? copied.stack + copied.stack_size : 0, copied.tls});
}

Result<long> sys_exit(Task& task, int status) {
  strace_no_return(task);
  emu::release_futexes(task);
  emu::clear_child_tid(task);
  task.rseq = 0;
  if (task.group != task.process().pid()) leave_vm_clone(task, status);
  task.kernel().exit_task(task, status & 0xff);
}

Result<long> sys_exit_group(Task& task, int status) {
  if (task.group != task.process().pid()) return sys_exit(task, status);
  strace_no_return(task);
  task.kernel().exit_process(status & 0xff);
}

Result<long> sys_gettid(Task& task) { return raw(task.tid()); }

Result<long> sys_getpid(Task& task) { return raw(task.group); }

Result<long> sys_getppid(Task& task) {
  if (task.group == task.process().pid()) return arch::host_call(SYS_getppid);
  return raw(task.process().vm_clones().parent(task.group));
}

Result<long> sys_set_tid_address(Task& task, std::uint64_t address) {
  task.clear_child_tid = address;
  return raw(task.tid());
}

// Kept by us and never registered with the host: the guest sees cpu 0 for ever. Source: rseq(2),
// kernel/rseq.c for the errors.
Result<long> sys_rseq(Task& task, std::uint64_t area, std::uint32_t size, int flags,
                      std::uint32_t signature) {
  if (flags & RSEQ_FLAG_UNREGISTER) {
    if ((flags & ~RSEQ_FLAG_UNREGISTER) || task.rseq != area || task.rseq == 0)
      return Errno{EINVAL};
    if (size != task.rseq_size) return Errno{EINVAL};
    if (signature != task.rseq_signature) return Errno{EPERM};
    task.rseq = 0;
    return 0;
  }
  if (flags != 0) return Errno{EINVAL};
  if (task.rseq != 0) {
    if (task.rseq != area || size != task.rseq_size) return Errno{EINVAL};
    return Errno{signature != task.rseq_signature ? EPERM : EBUSY};
  }
  if (size < 32 || area % 32 != 0) return Errno{EINVAL};
  // cpu_id_start, cpu_id, rseq_cs, flags, node_id, mm_cid.
  const std::uint32_t header[2] = {0, 0};
  TRY(mem::copy_out_bytes(area, header, sizeof(header)));
  task.rseq = area;
  task.rseq_size = size;
  task.rseq_signature = signature;
  return 0;
}

}  // namespace detent::syscalls

#include "syscalls/ptrace.h"

#include <elf.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>

#include <algorithm>

#include "emu/kernel/kernel.h"
#include "emu/mem/user_copy_unsafe.h"

namespace detent::syscalls {
namespace {

user_regs_struct registers_of(const Task& task) {
  const arch::UserRegs& from = task.user.regs;
  user_regs_struct regs{};
  regs.rax = from.rax, regs.rbx = from.rbx, regs.rcx = from.rcx, regs.rdx = from.rdx;
  regs.rsi = from.rsi, regs.rdi = from.rdi, regs.rbp = from.rbp, regs.rsp = from.rsp;
  regs.r8 = from.r8, regs.r9 = from.r9, regs.r10 = from.r10, regs.r11 = from.r11;
  regs.r12 = from.r12, regs.r13 = from.r13, regs.r14 = from.r14, regs.r15 = from.r15;
  regs.rip = from.rip, regs.eflags = from.rflags;
  regs.fs_base = from.fs_base, regs.gs_base = from.gs_base;
  regs.orig_rax = static_cast<std::uint64_t>(task.current_syscall);
  regs.cs = 0x33, regs.ss = 0x2b;  // __USER_CS, __USER_DS
  return regs;
}

Result<long> attach(Task& task, Task& tracee) {
  if (tracee.group == task.group) return Errno{EPERM};
  TRY(task.process().vm_clones().attach(task.group, tracee.tid()));
  task.kernel().scheduler().hold(tracee);
  task.kernel().child_events().notify(waitq::kIn, ~0U);
  return 0;
}

Result<long> detach(Task& task, Task& tracee) {
  task.process().vm_clones().detach(tracee.tid());
  task.kernel().scheduler().release(tracee);
  return 0;
}

Result<long> get_register_set(const Task& tracee, std::uint64_t which, std::uint64_t where) {
  if (which != NT_PRSTATUS) return Errno{EINVAL};
  iovec vector = TRY(mem::copy_in(UserPtr<const iovec>(where)));
  const user_regs_struct regs = registers_of(tracee);
  vector.iov_len = std::min(vector.iov_len, sizeof(regs));
  TRY(mem::copy_out_bytes(reinterpret_cast<std::uint64_t>(vector.iov_base), &regs, vector.iov_len));
  TRY(mem::copy_out(UserPtr<iovec>(where), vector));
  return 0;
}

}  // namespace

Result<long> sys_ptrace(Task& task, int request, int pid, std::uint64_t address,
                        std::uint64_t data) {
  Task* const tracee = task.process().find(Tid{pid});
  if (tracee == nullptr || request == PTRACE_TRACEME) {
    task.kernel().warn_once("ptrace of or by another process");
    return Errno{ENOSYS};
  }
  if (request == PTRACE_ATTACH) return attach(task, *tracee);
  if (!task.process().vm_clones().traces(task.group, tracee->tid())) return Errno{ESRCH};
  switch (request) {
    case PTRACE_DETACH:
      return detach(task, *tracee);
    case PTRACE_GETREGS:
      TRY(mem::copy_out(UserPtr<user_regs_struct>(data), registers_of(*tracee)));
      return 0;
    case PTRACE_GETREGSET:
      return get_register_set(*tracee, address, data);
    default:
      task.kernel().warn_once("a ptrace request other than looking at registers");
      return Errno{ENOSYS};
  }
}

}  // namespace detent::syscalls

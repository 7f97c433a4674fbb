#include "syscalls/dispatch.h"

#include <fmt/format.h>
#include <sys/syscall.h>

#include <set>
#include <string>
#include <string_view>

#include "emu/arch/x86_64/host_call.h"
#include "emu/arch/x86_64/kernel_fds.h"
#include "emu/kernel/kernel.h"
#include "syscalls/strace.h"
#include "syscalls/table.h"

namespace detent::syscalls {
namespace {

// The user should know that an answer of ours may differ from Linux's: once per call site.
void warn_absent(const Task& task, long number, const Row& row) {
  static std::set<std::pair<long, std::uint64_t>> warned;
  if (!warned.emplace(number, task.user.regs.rip).second) return;
  const std::string text =
      row.name != nullptr
          ? fmt::format(
                "detent: warning: {} (system call {}) is not supported: {}; answered ENOSYS\n",
                row.name, number, row.arguments)
          : fmt::format("detent: warning: system call {} is not known; answered ENOSYS\n", number);
  if (task.kernel().config().log_level >= 1) task.kernel().tell(text);
}

Result<long> pass_to_host(Task& task, long number) {
  const arch::UserState& user = task.user;
  return arch::to_result(arch::host_syscall(number, user.syscall_arg(0), user.syscall_arg(1),
                                            user.syscall_arg(2), user.syscall_arg(3),
                                            user.syscall_arg(4), user.syscall_arg(5)));
}

// The kernel's own fds do not exist for the guest.
bool names_kernel_fd(const Task& task, const Row& row) {
  return std::string_view(row.arguments).starts_with("fd") &&
         arch::is_kernel_fd(static_cast<std::int32_t>(task.user.syscall_arg(0)));
}

// What a call answers where a resource is exhausted, 0 if it needs none.
int fault_of(long number) {
  switch (number) {
    case SYS_mmap:
    case SYS_mremap:
      return ENOMEM;
    case SYS_clone:
    case SYS_clone3:
    case SYS_fork:
    case SYS_vfork:
      return EAGAIN;
    case SYS_open:
    case SYS_openat:
    case SYS_socket:
    case SYS_socketpair:
    case SYS_accept:
    case SYS_accept4:
    case SYS_pipe:
    case SYS_pipe2:
    case SYS_dup:
    case SYS_eventfd2:
    case SYS_epoll_create1:
    case SYS_timerfd_create:
    case SYS_signalfd4:
    case SYS_memfd_create:
      return EMFILE;
    default:
      return 0;
  }
}

// Only once there are several tasks: a program that cannot even be loaded shows nothing.
int chosen_fault(Task& task, long number) {
  trace::Chooser& chooser = task.kernel().chooser();
  if (!chooser.active() || !task.kernel().config().faults || chooser.carry().tasks < 2) return 0;
  const int fault = fault_of(number);
  return fault != 0 && chooser.choose(trace::Choice::kFault, 2) != 0 ? fault : 0;
}

Result<long> serve(Task& task, long number, bool foreign_abi) {
  const Row& found = row(number);
  if (foreign_abi || found.support == Support::kAbsent) {
    warn_absent(task, number, found);
    return Errno{ENOSYS};
  }
  if (names_kernel_fd(task, found)) return Errno{EBADF};
  if (const int fault = chosen_fault(task, number)) return Errno{fault};
  if (found.support == Support::kHost) return pass_to_host(task, number);
  return found.adapter(task);
}

Result<long> serve_traced(Task& task, long number, bool foreign_abi) {
  const StraceEntry entry = strace_enter(task, number);
  const Result<long> result = serve(task, number, foreign_abi);
  strace_exit(task, entry, result);
  return result;
}

bool is_restart(Errno error) { return error.value >= 512; }

}  // namespace

std::optional<Errno> dispatch(Task& task, bool foreign_abi) {
  emu::Kernel& kernel = task.kernel();
  const auto number = static_cast<long>(static_cast<std::int32_t>(task.user.regs.rax));
  task.current_syscall = number;
  if (number >= 0 && number < kTableSize) ++kernel.stats().calls[static_cast<std::size_t>(number)];
  const Result<long> result = kernel.config().strace ? serve_traced(task, number, foreign_abi)
                                                     : serve(task, number, foreign_abi);
  if (!result.ok() && is_restart(result.error())) {
    task.user.regs.rax = static_cast<std::uint64_t>(-EINTR);
    return result.error();
  }
  task.user.regs.rax =
      static_cast<std::uint64_t>(result.ok() ? result.value() : -result.error().value);
  return std::nullopt;
}

}  // namespace detent::syscalls

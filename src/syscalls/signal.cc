#include "syscalls/signal.h"

#include <limits>
#include <optional>
#include <utility>

#include "emu/kernel/kernel.h"
#include "emu/mem/user_copy_unsafe.h"
#include "emu/signal/signal_kinds.h"
#include "emu/signal/task_signals.h"

namespace detent::syscalls {
namespace {

using signal::Action;
using signal::SigSet;

constexpr std::uint64_t kRestorerGiven = 0x04000000;  // SA_RESTORER
constexpr std::uint64_t kExposeTagBits = 0x00000800;  // SA_EXPOSE_TAGBITS
// Flags that Linux knows. Others are cleared, so that programs can see what is supported
// (sigaction(2), "Dynamically probing for flag bit support").
constexpr std::uint64_t kKnownFlags =
    SA_NOCLDSTOP | SA_NOCLDWAIT | SA_SIGINFO | SA_ONSTACK | SA_RESTART | SA_NODEFER |
    kExposeTagBits | kRestorerGiven |
    (std::uint64_t{1} << 31);  // SA_RESETHAND, which is negative as an int

Result<void> check_set_size(std::uint64_t size) {
  if (size != sizeof(SigSet)) return Errno{EINVAL};
  return {};
}

Result<SigSet> changed_mask(SigSet old, int how, SigSet set) {
  switch (how) {
    case SIG_BLOCK:
      return old | set;
    case SIG_UNBLOCK:
      return old & ~set;
    case SIG_SETMASK:
      return set;
    default:
      return Errno{EINVAL};
  }
}

// A relative timeout as nanoseconds; what does not fit is for ever (timespec64_to_ktime()).
Result<std::int64_t> to_nanoseconds(const timespec& span) {
  if (span.tv_sec < 0 || span.tv_nsec < 0 || span.tv_nsec >= kNanosPerSecond) return Errno{EINVAL};
  std::int64_t ns = 0;
  if (__builtin_mul_overflow(span.tv_sec, kNanosPerSecond, &ns)) {
    return std::numeric_limits<std::int64_t>::max();
  }
  return saturating_add(ns, span.tv_nsec);
}

Result<siginfo_t> wait_at_most(Task& task, SigSet wanted, std::int64_t ns) {
  if (ns == 0) {
    const std::optional<siginfo_t> info = task.signals->take(wanted & ~signal::kUnblockable);
    if (!info) return Errno{EAGAIN};
    return *info;
  }
  const std::int64_t now = task.kernel().clocks().monotonic().ns();
  const std::int64_t when = saturating_add(now, ns);
  const bool for_ever = when == std::numeric_limits<std::int64_t>::max();
  if (for_ever) return task.signals->wait_for(wanted, std::nullopt);
  return task.signals->wait_for(wanted, sched::Deadline{timebase::Base::kMonotonic, when});
}

}  // namespace

// rt_sigaction(2).
Result<long> sys_rt_sigaction(Task& task, int sig, UserPtr<const Action> action,
                              UserPtr<Action> old, std::uint64_t set_size) {
  TRY(check_set_size(set_size));
  std::optional<Action> wanted;
  if (!action.is_null()) wanted = TRY(mem::copy_in(action));
  if (!signal::valid_signal(sig)) return Errno{EINVAL};
  if (wanted && signal::kUnblockable.has(sig)) return Errno{EINVAL};
  signal::ProcessSignals& signals = task.signals->process();
  const Action before = signals.action(sig);
  if (wanted) {
    wanted->flags &= kKnownFlags;
    wanted->mask = wanted->mask & ~signal::kUnblockable;
    signals.set_action(sig, *wanted);
  }
  if (!old.is_null()) TRY(mem::copy_out(old, before));
  return 0;
}

// rt_sigprocmask(2).
Result<long> sys_rt_sigprocmask(Task& task, int how, UserPtr<const SigSet> set, UserPtr<SigSet> old,
                                std::uint64_t set_size) {
  TRY(check_set_size(set_size));
  const SigSet before = task.signals->blocked();
  if (!set.is_null()) {
    const SigSet given = TRY(mem::copy_in(set));
    task.signals->set_blocked(TRY(changed_mask(before, how, given)));
  }
  if (!old.is_null()) TRY(mem::copy_out(old, before));
  return 0;
}

// rt_sigpending(2). A smaller size is fine here, and only here.
Result<long> sys_rt_sigpending(Task& task, UserPtr<SigSet> set, std::uint64_t set_size) {
  if (set_size > sizeof(SigSet)) return Errno{EINVAL};
  const SigSet pending = task.signals->pending() & task.signals->blocked();
  TRY(mem::copy_out_bytes(set.address(), &pending, set_size));
  return 0;
}

// rt_sigsuspend(2).
Result<long> sys_rt_sigsuspend(Task& task, UserPtr<const SigSet> mask, std::uint64_t set_size) {
  TRY(check_set_size(set_size));
  task.signals->set_temporary_mask(TRY(mem::copy_in(mask)));
  return task.signals->wait_for_any("rt_sigsuspend");
}

// rt_sigtimedwait(2).
Result<long> sys_rt_sigtimedwait(Task& task, UserPtr<const SigSet> wanted, UserPtr<siginfo_t> info,
                                 UserPtr<const timespec> timeout, std::uint64_t set_size) {
  TRY(check_set_size(set_size));
  const SigSet set = TRY(mem::copy_in(wanted));
  std::int64_t ns = std::numeric_limits<std::int64_t>::max();
  if (!timeout.is_null()) {
    const timespec span = TRY(mem::copy_in(timeout));
    ns = TRY(to_nanoseconds(span));
  }
  const siginfo_t taken = TRY(wait_at_most(task, set, ns));
  if (!info.is_null()) TRY(mem::copy_out(info, taken));
  return taken.si_signo;
}

// pause(2).
Result<long> sys_pause(Task& task) { return task.signals->wait_for_any("pause"); }

// rt_sigreturn(2): rax is one of the restored registers.
Result<long> sys_rt_sigreturn(Task& task) {
  task.signals->sigreturn();
  return static_cast<long>(task.user.regs.rax);
}

// sigaltstack(2).
Result<long> sys_sigaltstack(Task& task, UserPtr<const stack_t> stack, UserPtr<stack_t> old) {
  const std::uint64_t rsp = task.user.regs.rsp;
  const stack_t before = task.signals->shown_alternate_stack(rsp);
  if (!stack.is_null()) {
    const stack_t wanted = TRY(mem::copy_in(stack));
    TRY(task.signals->set_alternate_stack(wanted, rsp));
  }
  if (!old.is_null()) TRY(mem::copy_out(old, before));
  return 0;
}

// restart_syscall(2): EINTR if there is nothing to go on with (do_no_restart_syscall()).
Result<long> sys_restart_syscall(Task& task) {
  const auto block = std::exchange(task.restart_block, nullptr);
  if (!block) return Errno{EINTR};
  return block(task);
}

}  // namespace detent::syscalls

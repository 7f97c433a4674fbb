// The alternate signal stack of sigaltstack(2). Source: include/linux/sched/signal.h (on_sig_stack,
// sas_ss_flags), kernel/signal.c do_sigaltstack().
#include <cstddef>

#include "emu/signal/frame.h"
#include "emu/signal/task_signals.h"

namespace detent::signal {
namespace {

constexpr int kAutoDisarm = static_cast<int>(1U << 31);  // SS_AUTODISARM
constexpr std::size_t kSmallest = 2048;                  // the kernel's MINSIGSTKSZ

std::uint64_t base_of(const stack_t& stack) { return reinterpret_cast<std::uint64_t>(stack.ss_sp); }

}  // namespace

bool TaskSignals::inside_alternate_stack(std::uint64_t rsp) const {
  const std::uint64_t base = base_of(alternate_stack);
  return rsp > base && rsp - base <= alternate_stack.ss_size;
}

// A stack with SS_AUTODISARM is not armed while a handler runs on it, so nobody is ever "on" it.
bool TaskSignals::on_alternate_stack(std::uint64_t rsp) const {
  return !(alternate_stack.ss_flags & kAutoDisarm) && inside_alternate_stack(rsp);
}

stack_t TaskSignals::shown_alternate_stack(std::uint64_t rsp) const {
  stack_t shown = alternate_stack;
  const bool on = on_alternate_stack(rsp);
  const int mode = alternate_stack.ss_size == 0 ? SS_DISABLE : (on ? SS_ONSTACK : 0);
  shown.ss_flags = mode | (alternate_stack.ss_flags & kAutoDisarm);
  return shown;
}

Result<void> TaskSignals::set_alternate_stack(const stack_t& wanted, std::uint64_t rsp) {
  if (on_alternate_stack(rsp)) return Errno{EPERM};
  const int mode = wanted.ss_flags & ~kAutoDisarm;
  if (mode != SS_DISABLE && mode != SS_ONSTACK && mode != 0) return Errno{EINVAL};
  const bool unchanged = wanted.ss_sp == alternate_stack.ss_sp &&
                         wanted.ss_size == alternate_stack.ss_size &&
                         wanted.ss_flags == alternate_stack.ss_flags;
  if (unchanged) return {};
  if (mode == SS_DISABLE) {
    alternate_stack = {nullptr, wanted.ss_flags, 0};
    return {};
  }
  if (wanted.ss_size < kSmallest) return Errno{ENOMEM};
  alternate_stack = wanted;
  return {};
}

}  // namespace detent::signal

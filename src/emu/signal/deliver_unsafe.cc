// Delivery: from pending signals to default actions and handler frames, and back by rt_sigreturn(2).
// Source: kernel/signal.c get_signal(), arch/x86/kernel/signal.c, arch/x86/kernel/signal_64.c.
#include <cstddef>
#include <utility>

#include "emu/mem/user_copy_unsafe.h"
#include "emu/signal/frame.h"
#include "emu/signal/signal_kinds.h"
#include "emu/signal/task_signals.h"
#include "emu/signal/vector_frame_unsafe.h"

namespace detent::signal {

using arch::UserRegs;

/// A signal that is to be handled, and the action as it was when the signal was taken.
struct TaskSignals::Handled {
  siginfo_t info;
  Action action;
};

struct TaskSignals::FramePlace {
  std::uint64_t frame;
  std::uint64_t vectors;
};

namespace {

constexpr std::uint64_t kRestorerGiven = 0x04000000;  // SA_RESTORER
constexpr std::uint64_t kPageFault = 14;
constexpr int kAutoDisarm = static_cast<int>(1U << 31);  // SS_AUTODISARM
constexpr std::uint64_t kSyscallLength = 2;
constexpr std::uint64_t kRestartSyscallNumber = 219;

constexpr std::uint64_t kTrapFlag = 0x100;
constexpr std::uint64_t kDirectionFlag = 0x400;
constexpr std::uint64_t kResumeFlag = 0x10000;
// FIX_EFLAGS: AC, RF, OF, DF, TF, SF, ZF, AF, PF, CF: what a frame may change.
constexpr std::uint64_t kUserFlags =
    0x40000 | kResumeFlag | 0x800 | kDirectionFlag | kTrapFlag | 0x80 | 0x40 | 0x10 | 0x4 | 0x1;

void repeat_syscall(UserRegs& regs, std::uint64_t number) {
  regs.rax = number;
  regs.rip -= kSyscallLength;
}

// handle_signal(): what an interrupted call answers where a handler runs.
void answer_before_handler(UserRegs& regs, Errno restart, long number, std::uint64_t flags) {
  const bool again =
      restart == kRestartNoIntr || (restart == kRestartSys && (flags & SA_RESTART) != 0);
  if (again) return repeat_syscall(regs, static_cast<std::uint64_t>(number));
  regs.rax = static_cast<std::uint64_t>(-EINTR);
}

// arch_do_signal_or_restart(): no handler ran; the call goes on as if nothing had happened.
void continue_call(UserRegs& regs, Errno restart, long number) {
  const bool block = restart == kRestartBlock;
  repeat_syscall(regs, block ? kRestartSyscallNumber : static_cast<std::uint64_t>(number));
}

constexpr std::uint64_t round_down(std::uint64_t value, std::uint64_t alignment) {
  return value & ~(alignment - 1);
}

frame::Stack to_frame(const stack_t& stack) {
  return {reinterpret_cast<std::uint64_t>(stack.ss_sp), stack.ss_flags, 0, stack.ss_size};
}
stack_t from_frame(const frame::Stack& stack) {
  return {reinterpret_cast<void*>(stack.address), stack.flags, stack.size};
}

frame::Machine to_machine(const UserRegs& regs) {
  frame::Machine to{};
  to.r8 = regs.r8, to.r9 = regs.r9, to.r10 = regs.r10, to.r11 = regs.r11;
  to.r12 = regs.r12, to.r13 = regs.r13, to.r14 = regs.r14, to.r15 = regs.r15;
  to.rdi = regs.rdi, to.rsi = regs.rsi, to.rbp = regs.rbp, to.rbx = regs.rbx;
  to.rdx = regs.rdx, to.rax = regs.rax, to.rcx = regs.rcx, to.rsp = regs.rsp;
  to.rip = regs.rip, to.rflags = regs.rflags;
  to.cs = frame::kUserCs, to.ss = frame::kUserSs;
  return to;
}

// Segments stay as they are: the guest has one code and one stack segment.
void from_machine(UserRegs& to, const frame::Machine& from) {
  to.r8 = from.r8, to.r9 = from.r9, to.r10 = from.r10, to.r11 = from.r11;
  to.r12 = from.r12, to.r13 = from.r13, to.r14 = from.r14, to.r15 = from.r15;
  to.rdi = from.rdi, to.rsi = from.rsi, to.rbp = from.rbp, to.rbx = from.rbx;
  to.rdx = from.rdx, to.rax = from.rax, to.rcx = from.rcx, to.rsp = from.rsp;
  to.rip = from.rip;
  to.rflags = (to.rflags & ~kUserFlags) | (from.rflags & kUserFlags);
}

}  // namespace

void TaskSignals::force_fault(const arch::Trap& trap) {
  fault_error_ = trap.error_code;
  fault_vector_ = trap.trap_number;
  // CR2 changes with page faults only.
  if (trap.trap_number == kPageFault) {
    fault_address_ = reinterpret_cast<std::uint64_t>(trap.info.si_addr);
  }
  force_info(trap.info);
}

void TaskSignals::force(int sig, int code, std::uint64_t address) {
  siginfo_t info{};
  info.si_signo = sig;
  info.si_code = code;
  info.si_addr = reinterpret_cast<void*>(address);
  force_info(info);
}

// kernel/signal.c force_sig_info_to_task().
void TaskSignals::force_info(const siginfo_t& info) {
  const int sig = info.si_signo;
  if (blocked_.has(sig) || process_.action(sig).handler == kIgnoreHandler)
    process_.make_default(sig);
  blocked_.remove(sig);
  if (pending_.add(info)) process_.arrivals_.notify(waitq::kUntold);
  recompute();
}

void TaskSignals::deliver(std::optional<Errno> restart, long syscall_number) {
  UserRegs& regs = task_.user.regs;
  while (const std::optional<Handled> handled = next_handled()) {
    // Before the frame is built: it saves the registers with which the call is repeated.
    if (const std::optional<Errno> code = std::exchange(restart, std::nullopt)) {
      answer_before_handler(regs, *code, syscall_number, handled->action.flags);
    }
    enter_handler(*handled);
  }
  if (restart) continue_call(regs, *restart, syscall_number);
  restore_mask_now();
  recompute();
}

std::optional<TaskSignals::Handled> TaskSignals::next_handled() {
  for (;;) {
    std::optional<siginfo_t> info = pending_.take_fault(~blocked_);
    if (!info) info = take(~blocked_);
    recompute();
    if (!info) return std::nullopt;
    const int sig = info->si_signo;
    const Action action = process_.action(sig);
    if (process_.ignored(sig)) continue;
    if (action.handler != kDefaultHandler) {
      if (action.flags & SA_RESETHAND) process_.make_default(sig);
      return Handled{*info, action};
    }
    if (!kStops.has(sig)) process_.fatal().die_by_signal(sig);
    process_.fatal().stop_by_signal(sig);
  }
}

void TaskSignals::enter_handler(const Handled& handled) {
  if (build_frame(handled)) {
    signal_delivered(handled);
    return;
  }
  // signal_setup_done(): a SIGSEGV whose frame can't be built is fatal, whatever its action.
  if (handled.info.si_signo == SIGSEGV) process_.fatal().die_by_signal(SIGSEGV);
  force(SIGSEGV, SI_KERNEL, 0);
}

// arch/x86/kernel/signal.c get_sigframe().
std::optional<TaskSignals::FramePlace> TaskSignals::place_frame(std::uint64_t action_flags) const {
  const std::uint64_t interrupted = task_.user.regs.rsp;
  std::uint64_t rsp = interrupted - frame::kRedZone;
  bool alternate = on_alternate_stack(interrupted);
  const bool usable = alternate_stack.ss_size != 0 && !on_alternate_stack(rsp);
  if ((action_flags & SA_ONSTACK) && usable) {
    rsp = reinterpret_cast<std::uint64_t>(alternate_stack.ss_sp) + alternate_stack.ss_size;
    alternate = true;
  }
  FramePlace place{};
  place.vectors = round_down(rsp - vector_frame_size(task_.user), 64);
  place.frame = round_down(place.vectors - sizeof(frame::Frame), 16) - 8;
  // An alternate stack that would overflow: the handler must not run over what lies below it.
  if (alternate && !inside_alternate_stack(place.frame)) return std::nullopt;
  return place;
}

// x64_setup_rt_frame().
bool TaskSignals::build_frame(const Handled& handled) {
  const Action& action = handled.action;
  const std::optional<FramePlace> place = place_frame(action.flags);
  if (!place || !(action.flags & kRestorerGiven)) return false;
  if (!save_vectors(task_.user, place->vectors).ok()) return false;

  UserRegs& regs = task_.user.regs;
  const SigSet mask = saved_mask_.value_or(blocked_);
  frame::Frame frame{};
  frame.return_address = action.restorer;
  frame.context.flags = frame::kHasXstate | frame::kHasSs | frame::kRestoresSs;
  frame.context.stack = to_frame(alternate_stack);
  frame.context.mask = mask.bits();
  frame::Machine& machine = frame.context.machine = to_machine(regs);
  machine.error_code = fault_error_;
  machine.vector = fault_vector_;
  machine.fault_address = fault_address_;
  machine.old_mask = mask.bits();
  machine.fpstate = place->vectors;
  frame.info = handled.info;
  const bool with_info = (action.flags & SA_SIGINFO) != 0;
  const std::size_t size = with_info ? sizeof(frame) : offsetof(frame::Frame, info);
  if (!mem::copy_out_bytes(place->frame, &frame, size).ok()) return false;

  // All three arguments are there even without SA_SIGINFO.
  regs.rdi = static_cast<std::uint64_t>(handled.info.si_signo);
  regs.rsi = place->frame + offsetof(frame::Frame, info);
  regs.rdx = place->frame + offsetof(frame::Frame, context);
  regs.rax = 0;
  regs.rsp = place->frame;
  regs.rip = action.handler;
  return true;
}

// The rest of handle_signal(), and signal_delivered().
void TaskSignals::signal_delivered(const Handled& handled) {
  const Action& action = handled.action;
  task_.user.regs.rflags &= ~(kDirectionFlag | kResumeFlag | kTrapFlag);
  task_.user.reset_vectors();
  task_.user.require_full_restore();
  saved_mask_.reset();  // the frame has it now
  SigSet blocked = blocked_ | action.mask;
  if (!(action.flags & SA_NODEFER)) blocked.add(handled.info.si_signo);
  set_blocked(blocked);
  if (alternate_stack.ss_flags & kAutoDisarm) alternate_stack = {nullptr, SS_DISABLE, 0};
}

void TaskSignals::sigreturn() {
  UserRegs& regs = task_.user.regs;
  // A call that was interrupted before the handler ran can't be continued after it.
  task_.restart_block = nullptr;
  task_.user.require_full_restore();
  // The handler's return has popped return_address.
  if (restore_frame(regs.rsp - sizeof(frame::Frame::return_address))) return;
  regs.rax = 0;
  force(SIGSEGV, SI_KERNEL, 0);
}

bool TaskSignals::restore_frame(std::uint64_t address) {
  const std::uint64_t context_address = address + offsetof(frame::Frame, context);
  const auto context = mem::copy_in(UserPtr<const frame::Context>(context_address));
  if (!context.ok()) return false;
  set_blocked(SigSet(context.value().mask));
  // Judged by the handler's stack pointer, and errors don't count (restore_altstack()).
  const stack_t stack = from_frame(context.value().stack);
  static_cast<void>(set_alternate_stack(stack, task_.user.regs.rsp));
  from_machine(task_.user.regs, context.value().machine);
  return restore_vectors(task_.user, context.value().machine.fpstate).ok();
}

}  // namespace detent::signal

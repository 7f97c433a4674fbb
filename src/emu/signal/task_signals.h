// TaskSignals: one thread's signal state. Owned by its Task.
#pragma once

#include <csignal>
#include <cstdint>
#include <optional>

#include "detent/result.h"
#include "emu/arch/x86_64/trap.h"
#include "emu/sched/scheduler.h"
#include "emu/signal/pending.h"
#include "emu/signal/process_signals.h"
#include "emu/signal/sigset.h"
#include "emu/task/task.h"
#include "waitq/wait_queue.h"

namespace detent::signal {

class TaskSignals {
 public:
  /// Joins `process`: the first one made is the main thread. All references outlive this object.
  TaskSignals(Task& task, ProcessSignals& process, sched::Scheduler& scheduler);
  ~TaskSignals();
  TaskSignals(const TaskSignals&) = delete;
  TaskSignals& operator=(const TaskSignals&) = delete;

  /// The task exits: it is sent no more signals. Nothing happens the second time.
  void leave() { process_.detach(*this); }

  /// What the threads of the task's process share.
  [[nodiscard]] ProcessSignals& process() const { return process_; }
  [[nodiscard]] SigSet blocked() const { return blocked_; }
  /// sigprocmask(2); SIGKILL and SIGSTOP are never blocked.
  void set_blocked(SigSet blocked);
  /// sigsuspend, ppoll, pselect, epoll_pwait: `temporary` is in force until a handler has been set up
  /// (which then saves the old mask in its frame) or restore_mask_now().
  void set_temporary_mask(SigSet temporary);
  /// The temporary mask ends without a handler having run. An interrupted call leaves this to
  /// deliver().
  void restore_mask_now();

  /// Queues a thread-directed signal (tgkill) and interrupts the task if it would act on it.
  Result<void> send(const siginfo_t& info) { return process_.post(info, this); }
  /// Signals pending for this thread or its process, blocked or not.
  [[nodiscard]] SigSet pending() const { return pending_.set() | process_.pending().set(); }
  /// Signals pending for this thread alone.
  [[nodiscard]] SigSet own_pending() const { return pending_.set(); }
  /// Takes a pending signal of `wanted`, this thread's own first.
  std::optional<siginfo_t> take(SigSet wanted);

  /// sigtimedwait(2): takes a signal of `wanted`, waiting for it. EAGAIN at the deadline, EINTR if a
  /// handler is to run.
  Result<siginfo_t> wait_for(SigSet wanted, std::optional<sched::Deadline> deadline);
  /// pause(2), sigsuspend(2): waits until there is a signal to act on; answers kRestartNoHand. `what`
  /// is the call's name.
  Errno wait_for_any(const char* what);

  /// sigaltstack(2), as set: without SS_ONSTACK.
  stack_t alternate_stack{};
  /// sigaltstack(2), as shown while the guest's stack pointer is `rsp`: with SS_ONSTACK.
  [[nodiscard]] stack_t shown_alternate_stack(std::uint64_t rsp) const;
  /// EPERM while on it, EINVAL for bad flags, ENOMEM if it is too small.
  Result<void> set_alternate_stack(const stack_t& wanted, std::uint64_t rsp);

  /// Turns a fault into a signal that can't be blocked or ignored (kernel/signal.c force_sig).
  void force_fault(const arch::Trap& trap);
  void force(int sig, int code, std::uint64_t address);

  /// Before the task goes back to the guest: acts on pending signals. Builds a frame for a handler,
  /// ends or stops the process, or ignores. `restart` is the restart code that the interrupted system
  /// call returned, if any (rax is set accordingly). Source: arch_do_signal_or_restart().
  void deliver(std::optional<Errno> restart, long syscall_number);

  /// rt_sigreturn(2): restores the registers from the frame at the guest's rsp. A bad frame is a
  /// SIGSEGV.
  void sigreturn();

  /// Recomputes task.signal_pending after a change of masks or queues.
  void recompute();
  [[nodiscard]] Task& task() { return task_; }
  [[nodiscard]] bool is_current() const { return &scheduler_.current() == &task_; }

 private:
  friend class ProcessSignals;
  struct Handled;
  struct FramePlace;

  /// Signals that the task would act on, or that it waits for.
  [[nodiscard]] SigSet open() const { return ~blocked_ | waiting_for_; }
  /// True if the task is a good target for `sig` (kernel/signal.c wants_signal()).
  [[nodiscard]] bool wants(int sig) const;
  /// `which` became pending and is for this task: wakes it.
  void nudge(SigSet which);

  void force_info(const siginfo_t& info);
  /// The next signal that has a handler; acts on the others.
  std::optional<Handled> next_handled();

  [[nodiscard]] bool on_alternate_stack(std::uint64_t rsp) const;
  [[nodiscard]] bool inside_alternate_stack(std::uint64_t rsp) const;
  [[nodiscard]] std::optional<FramePlace> place_frame(std::uint64_t action_flags) const;
  void enter_handler(const Handled& handled);
  [[nodiscard]] bool build_frame(const Handled& handled);
  void signal_delivered(const Handled& handled);
  [[nodiscard]] bool restore_frame(std::uint64_t address);

  Task& task_;
  ProcessSignals& process_;
  sched::Scheduler& scheduler_;
  SigSet blocked_;
  std::optional<SigSet> saved_mask_;
  // sigtimedwait(2): what it waits for, until it is woken for one of them.
  SigSet waiting_for_;
  Pending pending_;
  waitq::WaitQueue waiters_;  // sigtimedwait(2)
  // The last fault, shown by every later frame too (struct thread_struct).
  std::uint64_t fault_error_ = 0;
  std::uint64_t fault_vector_ = 0;
  std::uint64_t fault_address_ = 0;
};

}  // namespace detent::signal

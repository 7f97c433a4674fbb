// Task: one guest thread.
//
// Owned by its Process. Its kernel stack is a fiber that runs one loop: enter the guest, handle why it
// came back. Its registers live in `user`. Everything a task waits with lives on its kernel stack.
#pragma once

#include <boost/intrusive/list.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "detent/ids.h"
#include "detent/result.h"
#include "detent/units.h"
#include "emu/arch/x86_64/fiber_unsafe.h"
#include "emu/arch/x86_64/user_state.h"
#include "emu/task/kernel_stack_unsafe.h"
#include "emu/trace/event.h"
#include "waitq/pi_mutex.h"

namespace detent {

namespace signal {
class TaskSignals;
}
namespace process {
class Process;
}
namespace emu {
class Kernel;
}

namespace task {

enum class State : std::uint8_t { kReady, kRunning, kBlocked, kDead };

/// What a blocked task waits for, in words for reports ("futex", "epoll_wait", ...) and an object.
struct WaitNote {
  const char* what = nullptr;  ///< static text; null while not waiting
  std::uint64_t object = 0;    ///< futex address, fd number or other id
  Instant<Monotonic> since;
  /// A futex wait: the value that the word had.
  std::optional<std::uint32_t> futex_value = std::nullopt;
};

struct OnStackTag;
using OnStackHook =
    boost::intrusive::list_base_hook<boost::intrusive::tag<OnStackTag>,
                                     boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;
/// Something on a task's kernel stack that others link to. A fork drops the parent's other tasks without
/// unwinding their stacks: it has this leave whatever it is linked in.
class OnStack : public OnStackHook {
 public:
  virtual void leave() = 0;

 protected:
  ~OnStack() = default;
};

class Task : public boost::intrusive::list_base_hook<> {
 public:
  /// A task that starts in the guest at `initial`. `run` is the body of its fiber and never returns.
  Task(Tid tid, process::Process& process, emu::Kernel& kernel, const arch::UserState& initial,
       void (*run)(void*));

  [[nodiscard]] Tid tid() const { return tid_; }
  [[nodiscard]] process::Process& process() const { return process_; }
  [[nodiscard]] emu::Kernel& kernel() const { return kernel_; }
  /// After fork the child's only task takes the new process's id.
  void set_tid(Tid tid) { group = tid_ = tid; }

  /// The id of the task's process: Process::pid(), or its own if it is a VM clone (vm_clones.h).
  Tid group;
  arch::UserState user;
  signal::TaskSignals* signals = nullptr;  ///< owned by Process, which sets it at creation

  // set_tid_address(2), clone(2) CLONE_CHILD_CLEARTID: zeroed and woken at exit. Guest address or 0.
  std::uint64_t clear_child_tid = 0;
  // set_robust_list(2).
  std::uint64_t robust_list = 0;
  // rseq(2): kept by us, never registered with the host. Guest address or 0.
  std::uint64_t rseq = 0;
  std::uint32_t rseq_size = 0;
  std::uint32_t rseq_signature = 0;
  // sched_setscheduler(2), nice(2), as the guest sees them; what counts for the scheduler is `pi`.
  int policy = 0;
  int priority = 0;
  int nice = 0;
  /// Real-time priority, own and inherited, and the PI futexes that others wait for.
  waitq::PiTask pi;
  // prctl(PR_SET_NAME), at most 15 bytes.
  std::string name;
  // prctl(PR_SET_TIMERSLACK), ns.
  std::uint64_t timer_slack = 50'000;
  // sched_setaffinity(2): bit n is CPU n, the first 64. Kept for the guest to see.
  std::uint64_t affinity = 1;
  // CPU time used so far without the running slice, and when it is the turn of the other tasks of the same
  // real-time priority.
  Duration cpu_time;
  Duration slice_end;

  /// The call that goes on after an interruption without a handler (restart_syscall(2)).
  std::function<Result<long>(Task&)> restart_block;
  /// The number of the system call being handled, or -1; for restarts and reports.
  long current_syscall = -1;
  WaitNote waiting;
  trace::TaskTrace trace;
  /// Set by the signal layer while a signal is pending that this task would act on.
  bool signal_pending = false;
  /// Set by exec, exit_group or a fatal signal of another task: leave at the next safe point.
  bool must_exit = false;

 private:
  Tid tid_;
  process::Process& process_;
  emu::Kernel& kernel_;
  KernelStack stack_;
  arch::Fiber fiber_;

 public:
  // The scheduler's own bookkeeping.
  State state = State::kReady;
  bool woken = false;
  bool interruptible = false;
  Instant<Monotonic> ready_since;  ///< for a RunObserver: when it was woken, or its timer was due
  bool held = false;               ///< takes no turn (Scheduler::hold)
  boost::intrusive::list<OnStack, boost::intrusive::base_hook<OnStackHook>,
                         boost::intrusive::constant_time_size<false>>
      on_stack;
  [[nodiscard]] arch::Fiber& fiber() { return fiber_; }
  [[nodiscard]] const KernelStack& kernel_stack() const { return stack_; }
};

}  // namespace task
using task::Task;
}  // namespace detent

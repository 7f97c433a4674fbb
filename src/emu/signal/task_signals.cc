#include "emu/signal/task_signals.h"

#include "emu/sched/block.h"
#include "emu/signal/signal_kinds.h"
#include "emu/signal/timer_hook.h"

namespace detent::signal {

TaskSignals::TaskSignals(Task& task, ProcessSignals& process, sched::Scheduler& scheduler)
    : task_(task), process_(process), scheduler_(scheduler) {
  // Seen in frames (uc_stack): execve(2) leaves the flags 0, clone(2) sets SS_DISABLE.
  alternate_stack = {nullptr, process_.tasks_.empty() ? 0 : SS_DISABLE, 0};
  process_.attach(*this);
}

TaskSignals::~TaskSignals() { leave(); }

void TaskSignals::set_blocked(SigSet blocked) {
  blocked = blocked & ~kUnblockable;
  const SigSet newly = blocked & ~blocked_;
  blocked_ = blocked;
  // This task may have been woken for one of them: another one has to take it (__set_task_blocked()).
  if (task_.signal_pending && !newly.empty()) process_.retarget(this, newly);
  recompute();
}

void TaskSignals::set_temporary_mask(SigSet temporary) {
  saved_mask_ = blocked_;
  set_blocked(temporary);
}

void TaskSignals::restore_mask_now() {
  if (!saved_mask_) return;
  const SigSet old = *saved_mask_;
  saved_mask_.reset();
  set_blocked(old);
}

void TaskSignals::recompute() { task_.signal_pending = !(pending() & ~blocked_).empty(); }

bool TaskSignals::wants(int sig) const {
  if (waiting_for_.has(sig)) return true;
  if (blocked_.has(sig)) return false;
  // A task that has been woken for another signal will see this one too; somebody else is sooner.
  return is_current() || !task_.signal_pending;
}

void TaskSignals::nudge(SigSet which) {
  if (!(waiting_for_ & which).empty()) {
    waiting_for_ = SigSet();  // so that a second signal goes to another waiter
    waiters_.notify(waitq::kIn, 0);
  }
  if ((which & ~blocked_).empty()) return;
  task_.signal_pending = true;
  scheduler_.interrupt(task_);
}

// A stale signal of a POSIX timer vanishes here (timer_hook.h).
std::optional<siginfo_t> TaskSignals::take(SigSet wanted) {
  for (;;) {
    std::optional<siginfo_t> info = pending_.take(wanted);
    const bool process_directed = !info;
    if (process_directed) info = process_.shared_.take(wanted);
    recompute();
    if (!info || on_dequeue(*info, process_directed)) return info;
  }
}

// kernel/signal.c do_sigtimedwait(). Linux unblocks the wanted signals meanwhile, so that senders
// choose this thread; here waiting_for_ does that, and `blocked_` stays as the guest knows it.
Result<siginfo_t> TaskSignals::wait_for(SigSet wanted, std::optional<sched::Deadline> deadline) {
  wanted = wanted & ~kUnblockable;
  sched::WaitRules rules;
  rules.deadline = deadline;
  rules.on_signal = Errno{EINTR};
  rules.what = "rt_sigtimedwait";
  const auto attempt = [&]() -> waitq::Attempt<siginfo_t> {
    if (const std::optional<siginfo_t> info = take(wanted)) return *info;
    waiting_for_ = wanted;
    return waitq::Blocked{&waiters_, waitq::kIn};
  };
  const Result<siginfo_t> taken = sched::block_until<siginfo_t>(scheduler_, task_, rules, attempt);
  waiting_for_ = SigSet();
  // It may have been woken for a signal and have taken another one, or left at the deadline.
  process_.retarget(this, wanted & blocked_);
  return taken;
}

Errno TaskSignals::wait_for_any(const char* what) {
  waitq::WaitQueue never;
  sched::WaitRules rules;
  rules.on_signal = kRestartNoHand;
  rules.what = what;
  const auto attempt = [&]() -> waitq::Attempt<int> { return waitq::Blocked{&never, waitq::kIn}; };
  return sched::block_until<int>(scheduler_, task_, rules, attempt).error();
}

}  // namespace detent::signal

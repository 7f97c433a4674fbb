// The one loop that waits and tries again. A call that may block is written as an attempt, a function
// that returns Attempt<T> and may be called any number of times.
//
// No wake-up can be lost: between the attempt that answered Blocked and park() nothing else runs.
#pragma once

#include <optional>
#include <utility>

#include "detent/result.h"
#include "emu/sched/scheduler.h"
#include "waitq/attempt.h"

namespace detent::sched {

/// A task that waits in a WaitQueue; lives on its kernel stack.
class TaskWaiter final : public waitq::Waiter, public task::OnStack {
 public:
  TaskWaiter(Scheduler& scheduler, Task& task, waitq::PollMask interest, bool exclusive = false)
      : Waiter(interest, exclusive), scheduler_(scheduler), task_(task) {
    task.on_stack.push_back(*this);
  }

 private:
  // As try_to_wake_up() counts: a task that has been woken already does not use this wake.
  bool wake(waitq::PollMask) override {
    const bool first = !task_.woken;
    scheduler_.make_ready(task_);
    return first;
  }
  void leave() override { Waiter::unlink(); }
  Scheduler& scheduler_;
  Task& task_;
};

/// How a wait ends other than by success.
struct WaitRules {
  std::optional<Deadline> deadline = std::nullopt;
  Errno on_timeout{EAGAIN};
  Errno on_signal = kRestartSys;
  const char* what = "wait";  ///< for reports: the call's name
  std::uint64_t object = 0;   ///< for reports: fd or address
};

/// Runs `attempt` until it yields a value or an errno. After a time-out it is tried once more: an event
/// that came at the same instant wins over the time-out, and a time-out over a signal.
template <class T, class Try>
Result<T> block_until(Scheduler& scheduler, Task& task, const WaitRules& rules, Try attempt) {
  Wake wake = Wake::kWoken;
  for (;;) {
    waitq::Attempt<T> tried = attempt();
    if (!tried.blocked()) return std::move(tried).result();
    if (wake == Wake::kTimedOut) return rules.on_timeout;
    if (wake == Wake::kInterrupted) return rules.on_signal;
    TaskWaiter waiter(scheduler, task, tried.blocked_on().events);
    tried.blocked_on().queue->add(waiter);
    task.waiting = {rules.what, rules.object, Instant<Monotonic>()};
    wake = scheduler.park(task, rules.deadline);
    task.waiting = {};
  }
}

}  // namespace detent::sched

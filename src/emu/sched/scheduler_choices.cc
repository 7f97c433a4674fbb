// What Linux leaves open, asked of the chooser: who runs next, and when time passes.
#include "emu/sched/scheduler.h"

#include <algorithm>

namespace detent::sched {
namespace {

// A PAUSE says that another one has to act first. Where all that could are waiting as well, only time is
// left, and it passes the faster the longer it takes.
std::int64_t instants_of_pause(const Task& task) {
  constexpr std::uint32_t kPausesBeforeFaster = 1024;
  if (task.trace.next.call != trace::kPause) return 1;
  return 1 + task.trace.points.vain / kPausesBeforeFaster;
}

}  // namespace

// sched(7): only tasks of the highest priority are candidates.
Scheduler::ReadyList::iterator Scheduler::choose_ready() {
  const int due = priorities_used_ ? due_priority(nullptr) : 0;
  const auto is_due = [&](const Task& task) {
    return !priorities_used_ || task.pi.effective() == due;
  };
  auto chosen = std::find_if(ready_.begin(), ready_.end(), is_due);
  if (!chooser_.active()) return chosen;
  candidate_tasks_.clear();
  for (Task& task : ready_) {
    if (is_due(task)) candidate_tasks_.push_back(&task);
  }
  if (candidate_tasks_.size() < 2) return chosen;
  order_candidates();
  const std::uint32_t answer =
      chooser_.choose_task(trace::Choice::kReadyTask, nullptr, candidates_);
  for (std::uint32_t i = 0; i < answer; ++i) hold_up(*candidate_tasks_[i]);
  return ready_.iterator_to(*candidate_tasks_[answer]);
}

// The oldest first, but tasks that a deviation has preempted stand back: so one deviation is enough to keep
// a task from running for as long as others have something to do. Not for ever, and not for the sake of
// tasks that only look whether those have run.
void Scheduler::order_candidates() {
  constexpr std::uint32_t kPassedOverAtMost = 200;
  const auto rank = [](const Task* task) {
    return task->trace.spinning ? 2 : task->trace.held_up ? 1 : 0;
  };
  for (Task* task : candidate_tasks_) {
    trace::TaskTrace& trace = task->trace;
    if (trace.held_up && ++trace.passed_over > kPassedOverAtMost) trace.held_up = false;
  }
  std::ranges::stable_sort(candidate_tasks_, {}, rank);
  candidates_.clear();
  for (const Task* task : candidate_tasks_) candidates_.push_back({&task->trace});
}

void Scheduler::hold_up(Task& task) {
  if (!task.trace.held_up) task.trace.passed_over = 0;
  task.trace.held_up = true;
}

void Scheduler::let_all_go() {
  for (Task& task : ready_) task.trace.held_up = false;
}

void Scheduler::offer_switch(Task& current, trace::Choice kind) {
  if (!chooser_.active() || ready_.empty()) return;
  const auto is_peer = [&](const Task& task) {
    return !priorities_used_ || task.pi.effective() >= current.pi.effective();
  };
  candidates_.clear();
  candidate_tasks_.clear();
  candidates_.push_back({&current.trace});
  candidate_tasks_.push_back(&current);
  for (Task& task : ready_) {
    if (!is_peer(task)) continue;
    candidates_.push_back({&task.trace});
    candidate_tasks_.push_back(&task);
  }
  const std::uint32_t answer = chooser_.choose_task(kind, &current.trace, candidates_);
  if (answer == 0) return;
  Task& next = *candidate_tasks_[answer];
  ready_.erase(ready_.iterator_to(next));
  hold_up(current);
  enqueue(current);
  stop_slice(current);
  hand_over(current, next);
}

void Scheduler::offer_point(Task& current, bool spins) {
  ++entries_since_tick_;
  if (!spins) return offer_switch(current, trace::Choice::kSwitchPoint);
  ++fruitless_;
  const auto works = [](const Task& task) { return !task.trace.spinning; };
  const bool somebody_works = std::any_of(ready_.begin(), ready_.end(), works);
  if (virtual_clock_ != nullptr) {
    const std::int64_t units = somebody_works ? 1 : instants_of_pause(current);
    virtual_clock_->charge(Duration::nanoseconds(options_.syscall_cost.ns() * units));
  }
  expire_due();
  check_limits();
  if (priorities_used_ || std::any_of(ready_.begin(), ready_.end(), works)) return yield(current);
  // All wait for something that only time can bring: whose turn it is does not matter, and is not asked.
  if (ready_.empty()) return;
  Task& next = ready_.front();
  ready_.pop_front();
  enqueue(current);
  stop_slice(current);
  hand_over(current, next);
}

// Time may pass while tasks are ready: the machine is busy, and the next timer goes off before the system
// call at hand. Within the time that this very call takes, that is a matter of an instant.
void Scheduler::offer_expiry(long call) {
  if (virtual_clock_ == nullptr) return;
  const std::optional<Instant<Monotonic>> deadline = timers_.next_deadline();
  if (!deadline) {
    if (trace::concerns_time(call)) offer_delay(deadline);
    return;
  }
  if (*deadline - clocks_.monotonic() > options_.syscall_cost) return offer_delay(deadline);
  if (chooser_.choose(trace::Choice::kExpiry, 2) == 0) return;
  virtual_clock_->advance_to(*deadline);
  expire_due();
}

// Up to the next timer, or for a while in which several may go off: periods are missed, deadlines are past.
void Scheduler::offer_delay(std::optional<Instant<Monotonic>> deadline) {
  static constexpr std::array kDelays = {Duration::microseconds(100), Duration::milliseconds(3)};
  if (early_left_ <= 0) return;
  const auto answer =
      chooser_.choose(trace::Choice::kEarlyTimeout, static_cast<std::uint32_t>(2 + kDelays.size()));
  if (answer == 0) return;
  const bool to_timer = answer == 1 && deadline;
  const Duration delay = to_timer      ? *deadline - clocks_.monotonic()
                         : answer == 1 ? kDelays[0]
                                       : kDelays[answer - 2];
  if (delay.ns() > early_left_) return;
  early_left_ -= delay.ns();
  virtual_clock_->advance_to(clocks_.monotonic() + delay);
  expire_due();
}

}  // namespace detent::sched

#include "emu/trace/chooser.h"

#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "emu/trace/rng.h"

namespace detent::trace {
namespace {

// Streams of random draws.
constexpr std::uint64_t kRandomBytes = 1;
constexpr std::uint64_t kChildBytes = 2;

// A fruitless call that is made so often in a row is a loop that waits for another task; so are so many of
// several kinds.
constexpr std::uint32_t kSpinRepeats = 3;
constexpr std::uint32_t kSpinFruitless = 6;
// A task that ran on at so many choices comes behind the others once, whatever it does: a loop that waits for
// another task may look fruitful. Longer than the stretches that strategies leave to a task on purpose.
constexpr std::uint32_t kLongestStretch = 4096;

// Points that look the same as before, after which it is such a loop; a PAUSE counts for many.
constexpr std::uint32_t kVainPoints = 64;
constexpr std::uint32_t kPauseWeight = 16;
// Points without a system call after which others go first, whatever they look like.
constexpr std::uint32_t kManyPoints = 8192;

bool is_fruitless(std::int32_t call, long result) {
  switch (call) {
    case SYS_sched_yield:
    case SYS_clock_gettime:
    case SYS_gettimeofday:
      return true;
    case SYS_poll:
    case SYS_ppoll:
    case SYS_select:
    case SYS_pselect6:
    case SYS_epoll_wait:
    case SYS_epoll_pwait:
      return result == 0;
    default:
      return result == -EAGAIN || result == -EINTR || result == -ETIMEDOUT || result == -EBUSY;
  }
}

// What concerns the task alone tells nothing about whether it waits for another.
void note_spinning(TaskTrace& task, std::int32_t call, bool fruitless) {
  const bool alone = !fruitless && shape_of(call).access == Access::kNone;
  if (alone && task.fruitless != 0) return;
  task.repeats = fruitless && call == task.last_call ? task.repeats + 1 : 0;
  task.fruitless = fruitless ? task.fruitless + 1 : 0;
  task.last_call = call;
  task.spinning = task.repeats >= kSpinRepeats || task.fruitless >= kSpinFruitless;
}

}  // namespace

void Chooser::activate(Schedule schedule, const Profile& profile, ChoiceObserver& observer) {
  active_ = true;
  replaying_ = schedule.strategy.kind == StrategyKind::kReplay;
  if (!replaying_) strategy_ = make_strategy(schedule.strategy, schedule.seed, profile);
  schedule_ = std::move(schedule);
  next_deviation_ = 0;
  observer_ = &observer;
}

void Chooser::become_child(std::uint64_t number) {
  seed_ = draw(seed_, kChildBytes, number);
  if (!active_) return;
  const std::uint32_t tasks = carry_.tasks;
  carry_ = {};
  carry_.tasks = tasks;
  replaying_ = false;
  schedule_ = {};
  deviations_.clear();
  strategy_ = make_strategy({StrategyKind::kFifo, 0}, seed_, Profile{});
}

void Chooser::resume(const Carry& carry, std::vector<Deviation> deviations) {
  carry_ = carry;
  deviations_ = std::move(deviations);
  for (const Deviation& deviation : deviations_) {
    if (deviation.kind && left(*deviation.kind) != kNoLimit) --left(*deviation.kind);
  }
  const std::vector<Deviation>& list = schedule_.deviations;
  while (next_deviation_ < list.size() && list[next_deviation_].choice < carry_.choices) {
    ++next_deviation_;
  }
}

std::uint64_t Chooser::random_bits() { return draw(seed_, kRandomBytes, carry_.random_draws++); }

std::uint32_t Chooser::ask(Choice kind, std::uint32_t options) {
  if (carry_.choices == 0) observer_->on_first_choice();
  const std::uint32_t answer = replaying_      ? answer_by_replay(kind, options)
                               : may_deviate() ? strategy_->pick(kind, options)
                                               : 0;
  take_down(kind, options, answer, 0, 0);
  return answer;
}

std::uint32_t Chooser::choose_task(Choice kind, TaskTrace* running,
                                   std::span<const Candidate> tasks) {
  if (!active_ || tasks.size() < 2 || left(kind) == 0) return 0;
  if (carry_.choices == 0) observer_->on_first_choice();
  const auto options = static_cast<std::uint32_t>(tasks.size());
  ++carry_.turns;
  if (running != nullptr) note_stretch(*running);
  const std::uint32_t answer = replaying_      ? answer_by_replay(kind, options)
                               : may_deviate() ? strategy_->pick_task(kind, tasks)
                                               : 0;
  take_down(kind, options, answer, running != nullptr ? running->number : 0,
            tasks[answer].task->number);
  return answer;
}

void Chooser::note_stretch(TaskTrace& running) {
  if (running.number != stretch_task_) stretch_ = 0;
  stretch_task_ = running.number;
  if (++stretch_ < kLongestStretch) return;
  running.spinning = true;
  running.repeats = std::max(running.repeats, stretch_);
}

std::uint32_t Chooser::answer_by_replay(Choice kind, std::uint32_t options) {
  if (next_deviation_ == schedule_.deviations.size()) return 0;
  const Deviation& next = schedule_.deviations[next_deviation_];
  if (next.choice != carry_.choices) return 0;
  ++next_deviation_;
  if (next.kind && (*next.kind != kind || next.option >= options)) {
    observer_->on_divergence(next, kind, options);
  }
  return next.option % options;
}

void Chooser::take_down(Choice kind, std::uint32_t options, std::uint32_t answer,
                        std::uint32_t from, std::uint32_t to) {
  add_to_hash(static_cast<std::uint64_t>(kind) << 48 ^ std::uint64_t{options} << 24 ^ answer);
  const auto index = static_cast<std::uint32_t>(carry_.choices++);
  if (answer == 0) return;
  deviations_.push_back({index, answer, kind});
  if (left(kind) != kNoLimit) --left(kind);
  observer_->on_deviation(deviations_.back(), from, to);
}

std::uint64_t Chooser::mix_in(std::uint64_t hash, std::uint64_t value) {
  return mix(hash * 0x9e3779b97f4a7c15 + value + 1);
}

void Chooser::begin(TaskTrace& task, Instant<Monotonic> now) {
  if (!active_) return;
  if (task.past == nullptr) task.past = std::make_unique<std::array<PastEvent, TaskTrace::kPast>>();
  PastEvent& past = (*task.past)[task.events++ % TaskTrace::kPast];
  past = {carry_.events++, now.ns(), task.next, task.detail, carry_.choices, 0, false};
  touch(task, past);
  count(task);
  // Not those before the first choice: a copy of the fork server did not see them.
  if (strategy_ != nullptr && carry_.choices != 0) strategy_->on_event(task);
}

void Chooser::finish(TaskTrace& task, long result) {
  if (!active_ || task.past == nullptr) return;
  PastEvent& past = (*task.past)[(task.events - 1) % TaskTrace::kPast];
  past.result = result;
  past.finished = true;
  const std::int32_t call = past.event.call;
  add_to_hash(std::uint64_t{task.number} << 32 ^ static_cast<std::uint32_t>(call));
  add_to_hash(static_cast<std::uint64_t>(normalised_result(call, result)));
  note_spinning(task, call, is_fruitless(call, result));
  if (task.repeats == 0) task.points = {};
}

bool Chooser::spins_at_point(TaskTrace& task, std::uint64_t state) {
  PointLoop& points = task.points;
  const bool again = std::ranges::find(points.seen, state) != points.seen.end();
  if (task.next.call == kPause) {
    points.vain += kPauseWeight;
  } else if (again) {
    ++points.vain;
  } else {
    points.seen[points.next++ % points.seen.size()] = state;
    points.vain = 0;
  }
  const bool waits = points.vain >= kVainPoints;
  const bool for_long = ++points.in_a_row >= kManyPoints;
  if (for_long) points.in_a_row = 0;
  if (waits) ++task.repeats;
  task.spinning = waits || for_long || (again && task.spinning);
  return waits || for_long;
}

void Chooser::pass_point(TaskTrace& task, Instant<Monotonic> now) {
  if (task.past == nullptr) task.past = std::make_unique<std::array<PastEvent, TaskTrace::kPast>>();
  (*task.past)[task.events++ % TaskTrace::kPast] = {
      carry_.events++, now.ns(), task.next, task.detail, carry_.choices, 0, true};
  if (counts_.counts.size() < kMostObjects) count(task);
  add_to_hash(std::uint64_t{task.number} << 32 ^ static_cast<std::uint32_t>(task.next.call));
  if (strategy_ != nullptr) strategy_->on_event(task);
}

void Chooser::touch(const TaskTrace& task, const PastEvent& past) {
  using Space = Object::Space;
  const Space space = task.next.object.space;
  if (space != Space::kMemory && space != Space::kStack && space != Space::kFile) return;
  if (touches_.size() >= kMostObjects) touches_.clear();
  std::array<Touch, 2>& touches = touches_[key_of(task.next.object)];
  if (touches[0].task != task.number) touches[1] = touches[0];
  touches[0] = {task.number, past};
}

const Chooser::Touch* Chooser::last_touch(const Object& object, std::uint32_t task) const {
  const auto found = touches_.find(key_of(object));
  if (found == touches_.end()) return nullptr;
  const auto& [newest, other] = found->second;
  const Touch& wanted = newest.task == task ? other : newest;
  return wanted.task != 0 ? &wanted : nullptr;
}

void Chooser::count(const TaskTrace& task) {
  if (counts_.counts.size() >= kMostObjects) return;
  const std::uint64_t object = key_of(task.next.object);
  const auto [found, added] =
      count_index_.try_emplace(mix_in(object, task.number), counts_.counts.size());
  if (added) counts_.counts.push_back({task.number, object, 0});
  ++counts_.counts[found->second].events;
}

Schedule Chooser::recorded() const {
  return {{StrategyKind::kReplay, 0, schedule_.strategy.points},
          seed_,
          schedule_.build_tag,
          deviations_};
}

}  // namespace detent::trace

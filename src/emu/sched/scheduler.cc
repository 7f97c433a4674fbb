#include "emu/sched/scheduler.h"

#include <algorithm>
#include <utility>

#include "detent/assert.h"
#include "emu/arch/x86_64/interrupts.h"

namespace detent::sched {
namespace {

// A timer with a period shorter than an interrupt takes must leave the guest some time to get on.
constexpr Duration kLeastAlarm = Duration::microseconds(20);

// The timer of a park() with a deadline; lives on the parked task's kernel stack.
class SleepTimer final : public timebase::Timer {
 public:
  SleepTimer(timebase::TimerQueue& timers, Scheduler& scheduler, Task& task)
      : timers_(timers), scheduler_(scheduler), task_(task) {}
  ~SleepTimer() { timers_.cancel(*this); }
  void arm(const Deadline& deadline) {
    set_wakes_machine(deadline.alarm);
    timers_.arm(*this, deadline.base, deadline.when);
  }
  [[nodiscard]] bool fired() const { return fired_; }

 private:
  void on_expire() override {
    fired_ = true;
    scheduler_.resume(task_);
  }
  timebase::TimerQueue& timers_;
  Scheduler& scheduler_;
  Task& task_;
  bool fired_ = false;
};

}  // namespace

Scheduler::Scheduler(timebase::ClockSet& clocks, timebase::TimerQueue& timers, HostPoller& poller,
                     trace::Chooser& chooser, timebase::VirtualClock* virtual_clock, Turns& turns,
                     IdleOwner& owner, const SchedulerOptions& options)
    : clocks_(clocks),
      timers_(timers),
      poller_(poller),
      chooser_(chooser),
      virtual_clock_(virtual_clock),
      turns_(turns),
      owner_(owner),
      options_(options) {}

void Scheduler::enqueue(Task& task, bool first) {
  task.state = task::State::kReady;
  if (!task.held) ready_.insert(first ? ready_.begin() : ready_.end(), task);
}

void Scheduler::hold(Task& task) {
  DETENT_ASSERT(&task != current_ && !task.held);
  task.held = true;
  if (task.is_linked()) ready_.erase(ready_.iterator_to(task));
}

void Scheduler::release(Task& task) {
  task.held = false;
  if (task.state == task::State::kReady) ready_.push_back(task);
}

void Scheduler::resume(Task& task) {
  if (task.state != task::State::kBlocked) return;
  enqueue(task);
  if (observer_ != nullptr) tell_ready(task);
}

void Scheduler::tell_ready(Task& task) {
  task.ready_since = timers_.expiring().value_or(clocks_.monotonic());
  observer_->on_ready(task);
}

void Scheduler::add(Task& task) {
  task.slice_end = kRealtimeSlice;
  enqueue(task);
}

void Scheduler::make_ready(Task& task) {
  task.woken = true;
  resume(task);
}

void Scheduler::interrupt(Task& task) {
  if (task.interruptible) resume(task);
}

Wake Scheduler::park(Task& current, std::optional<Deadline> deadline, bool interruptible) {
  DETENT_ASSERT(&current == current_);
  SleepTimer timer(timers_, *this, current);
  if (!std::exchange(current.woken, false)) {
    if (deadline) {
      if (clocks_.now(deadline->base) >= deadline->when) return Wake::kTimedOut;
      timer.arm(*deadline);
    }
    if (interruptible && current.signal_pending) return Wake::kInterrupted;
    current.state = task::State::kBlocked;
    current.interruptible = interruptible;
    switch_from(current);
    current.interruptible = false;
    if (observer_ != nullptr) observer_->on_run(current, clocks_.monotonic() - current.ready_since);
    if (!std::exchange(current.woken, false)) {
      return timer.fired() ? Wake::kTimedOut : Wake::kInterrupted;
    }
  }
  return Wake::kWoken;
}

void Scheduler::yield(Task& current) {
  DETENT_ASSERT(&current == current_);
  if (ready_.empty()) pass_turn();
  if (ready_.empty()) return;
  enqueue(current);
  switch_from(current);
}

void Scheduler::exit_current(Task& current, void (*reap)(Task&)) {
  current.state = task::State::kDead;
  dead_ = &current;
  reap_ = reap;
  switch_from(current);
  __builtin_unreachable();
}

void Scheduler::start(Task& first) {
  first.state = task::State::kRunning;
  current_ = &first;
  slice_start_ = clocks_.monotonic().ns();
  arch::Fiber::switch_to(boot_fiber_, first.fiber());
  __builtin_unreachable();
}

void Scheduler::keep_only(Task& survivor) {
  ready_.clear();
  current_ = &survivor;
  dead_ = nullptr;
  alarm_ = Instant<Monotonic>::max();
  survivor.state = task::State::kRunning;
}

void Scheduler::switch_from(Task& from) {
  stop_slice(from);
  const std::uint64_t waits = stats_.idle_waits;
  Task& next = next_ready();
  if (stats_.idle_waits != waits) slice_start_ = clocks_.monotonic().ns();
  hand_over(from, next);
}

// One reading ends this slice, starts the next and says since when the task waits.
void Scheduler::stop_slice(Task& from) {
  const Instant<Monotonic> now = clocks_.monotonic();
  from.cpu_time = from.cpu_time + (now - Instant<Monotonic>::from_ns(slice_start_));
  if (from.state == task::State::kBlocked) from.waiting.since = now;
  slice_start_ = now.ns();
}

void Scheduler::hand_over(Task& from, Task& next) {
  next.state = task::State::kRunning;
  next.trace.held_up = false;
  current_ = &next;
  if (&next == &from) return;
  ++stats_.switches;
  arch::Fiber::switch_to(from.fiber(), next.fiber());
  arrived();
}

void Scheduler::arrived() {
  Task* dead = std::exchange(dead_, nullptr);
  if (dead != nullptr) reap_(*dead);
  keep_alarm();
}

Duration Scheduler::cpu_time(const Task& task) {
  if (&task != current_) return task.cpu_time;
  return task.cpu_time + (clocks_.monotonic() - Instant<Monotonic>::from_ns(slice_start_));
}

Task& Scheduler::next_ready() {
  for (;;) {
    if (arch::interrupt_pending()) {
      owner_.drain_host_signals();
      alarm_ = Instant<Monotonic>::max();  // it may have been the alarm
    }
    owner_.take_session_wakes();
    expire_due();
    check_limits();
    if (Task* task = take_ready()) return *task;
    idle();
    next_look_ = clocks_.monotonic() + kLookInterval;
  }
}

Task* Scheduler::take_ready() {
  if (ready_.empty()) return nullptr;
  const auto chosen = choose_ready();
  Task& task = *chosen;
  ready_.erase(chosen);
  return &task;
}

void Scheduler::check_limits() {
  if (options_.livelock_entries != 0 && fruitless_ > options_.livelock_entries) {
    owner_.on_livelock();
  }
  if (options_.max_steps != 0 && steps_ >= options_.max_steps) owner_.on_step_budget();
  if (options_.time_limit == INT64_MAX) return;
  if (clocks_.monotonic().ns() >= options_.time_limit) owner_.on_time_budget();
}

bool Scheduler::expire_due() {
  const std::optional<Instant<Monotonic>> deadline = timers_.next_deadline();
  if (!deadline) return false;
  const Instant<Monotonic> now = clocks_.monotonic();
  if (*deadline > now) return false;
  stats_.timers_fired += timers_.expire(now);
  return true;
}

void Scheduler::after_trap(Task& current) {
  ++entries_since_tick_;
  ++steps_;
  ++fruitless_;
  if (virtual_clock_ != nullptr) virtual_clock_->charge(options_.syscall_cost);
  arch::admit_host_signals();
  if (arch::interrupt_pending()) {
    owner_.drain_host_signals();
    take_ticks(current);
  }
  owner_.take_session_wakes();
  if (virtual_clock_ != nullptr && turns_.over(virtual_clock_->now().ns())) let_others_take_turns();
  const bool fired = expire_due();
  look_at_host();
  check_limits();
  keep_alarm();
  if (ready_.empty()) return;
  const bool sliced = slice_over();
  if (sliced) let_all_go();
  if (!give_way(current, fired || sliced)) {
    offer_switch(current, trace::Choice::kSwitchExit);
  }
}

// Lets others run if it is their turn; `turn_over`: that of a task without a real-time priority is over.
bool Scheduler::give_way(Task& current, bool turn_over) {
  if (ready_.empty()) return false;
  const int priority = priorities_used_ ? current.pi.effective() : 0;
  if (priority != 0) return give_way_realtime(current, priority);
  if (!turn_over && !outranked(current)) return false;
  yield(current);
  return true;
}

// In virtual time, where a tick looks at nothing: who waits for a host fd must not starve while another task
// is always ready. By the guest's clock, so that what this process does to its own pipes is seen at the same
// place in every run.
void Scheduler::look_at_host() {
  if (virtual_clock_ == nullptr || virtual_clock_->now() < next_look_) return;
  next_look_ = virtual_clock_->now() + kLookInterval;
  if (poller_.watching()) poller_.wait(Duration());
}

bool Scheduler::slice_over() const {
  if (virtual_clock_ == nullptr) return false;
  return virtual_clock_->now() - Instant<Monotonic>::from_ns(slice_start_) >= options_.quantum;
}

void Scheduler::after_interrupt(Task& current) {
  arch::admit_host_signals();
  owner_.drain_host_signals();
  take_ticks(current);
  const bool fired = expire_due();
  keep_alarm();
  give_way(current, fired);
}

// A guest that runs on, and reads the time without a system call, must still see its timers fire. Asked for
// only where the next expiry is sooner than the alarm set already: a wait with a time-out that is over
// soon costs nothing.
void Scheduler::keep_alarm() {
  if (virtual_clock_ != nullptr) return;
  const std::optional<Instant<Monotonic>> next = timers_.next_deadline();
  if (!next || *next >= alarm_) return;
  alarm_ = *next;
  arch::set_alarm(std::max(clocks_.source().host_time_until(*next), kLeastAlarm));
}

}  // namespace detent::sched

#include "emu/sched/scheduler.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "detent/assert.h"
#include "emu/arch/x86_64/interrupts.h"

namespace detent::sched {
namespace {

constexpr Duration kTickLength = Duration::milliseconds(4);
// Real programs compute for a tick or two between system calls, waiting for nothing.
constexpr unsigned kQuietTicks = 10;
// How long the end of a process that was killed may go unnoticed by who waits for it in a futex.
constexpr Duration kOrphanInterval = Duration::milliseconds(100);
// In a run that is to be repeated a tick is the last resort: for loops that wait for another task without a
// system call, which would never end.
constexpr unsigned kRecordedQuietTicks = 25;
// So many of the last ticks are looked at for whether the guest goes round in a circle.
constexpr std::size_t kTicksSeen = 64;

// A PAUSE says that another one has to act first. Where all that could are waiting as well, only time is
// left, and it passes the faster the longer it takes.
std::int64_t instants_of_pause(const Task& task) {
  constexpr std::uint32_t kPausesBeforeFaster = 1024;
  if (task.trace.next.call != trace::kPause) return 1;
  return 1 + task.trace.points.vain / kPausesBeforeFaster;
}

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

// The priority whose turn it is, among those of the ready tasks and of one that runs.
int Scheduler::due_priority(const Task* running) {
  int low = (running != nullptr ? *running : ready_.front()).pi.effective();
  int high = low;
  for (const Task& task : ready_) {
    low = std::min(low, task.pi.effective());
    high = std::max(high, task.pi.effective());
  }
  return throttled(high, low) ? low : high;
}

// Real-time throttling, sched(7): after 0.95 s without the others, real-time tasks stand back for 0.05 s.
bool Scheduler::throttled(int highest, int lowest) {
  const Instant<Monotonic> now = clocks_.monotonic();
  if (now < throttled_until_) return true;
  if (highest == 0 || lowest != 0) {
    unprivileged_ran_ = now;
    return false;
  }
  if (now - unprivileged_ran_ < Duration::milliseconds(950)) return false;
  throttled_until_ = now + Duration::milliseconds(50);
  unprivileged_ran_ = throttled_until_;
  return true;
}

// True if a ready task has a higher priority than the running one.
bool Scheduler::outranked(const Task& current) {
  if (!priorities_used_ || clocks_.monotonic() < throttled_until_) return false;
  return std::any_of(ready_.begin(), ready_.end(), [&](const Task& task) {
    return task.pi.effective() > current.pi.effective();
  });
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

void Scheduler::idle() {
  arch::admit_host_signals();
  if (owner_.on_idle()) return;
  ++stats_.idle_waits;
  fruitless_ = 0;
  std::optional<Instant<Monotonic>> deadline = timers_.next_deadline();
  // A timer armed for ever (TIME_T_MAX) never fires: it must neither be jumped to nor hide a deadlock.
  if (deadline == Instant<Monotonic>::max()) deadline.reset();
  if (virtual_clock_ == nullptr) return idle_real(deadline);
  if (poller_.watching() && poller_.wait(Duration()) != 0) return;
  if (poller_.watching_outside() && !await_delivery(deadline)) return;
  idle_virtual(deadline);
}

// What the host holds back (TCP waits up to 40 ms for an acknowledgement, 200 ms where it is corked) may be
// what a task waits for: time must not run ahead of it. Bytes that a reader leaves unread can stay for ever;
// they are waited for once. False if something happened.
bool Scheduler::await_delivery(std::optional<Instant<Monotonic>> deadline) {
  constexpr Duration kLook = Duration::milliseconds(1);
  Duration left = Duration::milliseconds(250);
  if (deadline) left = std::min(left, *deadline - clocks_.monotonic());
  std::uint64_t held = owner_.undelivered();
  while (held != 0 && held != held_up_ && left > Duration()) {
    if (poller_.wait(kLook) != 0 || arch::interrupt_pending()) return false;
    left = left - kLook;
    held = owner_.undelivered();
  }
  held_up_ = held;
  return true;
}

void Scheduler::idle_real(std::optional<Instant<Monotonic>> deadline) {
  std::optional<Duration> left;
  if (deadline) left = clocks_.source().host_time_until(*deadline);
  const bool session_waits = owner_.session_waits();
  if (session_waits && (!left || *left > kOrphanInterval)) {
    left = kOrphanInterval;
    owner_.look_for_orphans();
    if (!ready_.empty()) return;
  }
  if (left && *left <= Duration()) return;
  if (!left && !poller_.watching() && !owner_.outside_active()) owner_.on_stuck();
  poller_.wait(left);
}

// Virtual time never runs ahead of the outside world: host fds that somebody else may act on get
// `io_grace` of host time before a jump.
void Scheduler::idle_virtual(std::optional<Instant<Monotonic>> deadline) {
  if (turns_.active()) return idle_in_session(deadline);
  if (!deadline) {
    // Between ends that are all in here nothing is under way but what the host may still deliver.
    const bool alone = !poller_.watching_outside();
    if (alone && (!poller_.watching() || poller_.wait(options_.io_grace) == 0)) owner_.on_stuck();
    poller_.wait(std::nullopt);
    return;
  }
  if (poller_.watching_outside()) {
    const Duration jump = *deadline - clocks_.monotonic();
    if (poller_.wait(std::min(jump, options_.io_grace)) != 0 || arch::interrupt_pending()) return;
  }
  virtual_clock_->advance_to(*deadline);
}

// One of several processes: rests until a look, made whenever it is this process's turn, finds something.
void Scheduler::idle_in_session(std::optional<Instant<Monotonic>> deadline) {
  const std::int64_t when = deadline ? deadline->ns() : Session::kNever;
  const bool session_waits = owner_.session_waits();
  const bool stuck = !deadline && !poller_.watching() && !owner_.outside_active();
  if (stuck && !session_waits) owner_.on_stuck();
  turns_.rest(when, (poller_.watching_outside() ? Turns::kOutside : 0) |
                        (session_waits ? Turns::kOrphan : 0));
  for (;;) {
    if (!turns_.pass()) jump_in_session(stuck);
    const bool event = poller_.wait(Duration()) != 0 || arch::interrupt_pending();
    if (session_waits) owner_.look_for_orphans();
    const bool woken = owner_.take_session_wakes() || !ready_.empty();
    if (event || woken || clocks_.monotonic().ns() >= when) break;
    turns_.looked();
  }
  turns_.run();
}

// Every process of the session rests. `stuck`: only another process can wake this one.
void Scheduler::jump_in_session(bool stuck) {
  const std::optional<std::int64_t> next = turns_.next_deadline();
  const std::uint32_t waits_for = turns_.waits_for();
  if (!next) {
    const bool orphans = (waits_for & Turns::kOrphan) != 0;
    const bool event =
        turns_.await_outside(orphans ? std::optional(kOrphanInterval) : std::nullopt);
    if (!event && stuck && (waits_for & Turns::kOutside) == 0) owner_.on_stuck();
    return turns_.disturb();
  }
  const Instant<Monotonic> when = Instant<Monotonic>::from_ns(*next);
  const Duration jump = when - clocks_.monotonic();
  const bool outside = (waits_for & Turns::kOutside) != 0;
  if (outside && turns_.await_outside(std::min(jump, options_.io_grace))) return;
  virtual_clock_->advance_to(when);
}

// The guest has something to do, and so may other processes.
void Scheduler::let_others_take_turns() {
  turns_.yield();
  if (poller_.watching()) poller_.wait(Duration());
  if (arch::interrupt_pending()) owner_.drain_host_signals();
  owner_.take_session_wakes();
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

// sched(7): who is preempted stays the first of its priority.
bool Scheduler::give_way_realtime(Task& current, int priority) {
  const bool preempted = due_priority(&current) != priority;
  if (!preempted && !realtime_slice_over(current, priority)) return false;
  enqueue(current, preempted);
  switch_from(current);
  return true;
}

// True if it is the peers' turn.
bool Scheduler::realtime_slice_over(Task& current, int priority) {
  const Duration used = cpu_time(current);
  if (used < current.slice_end) return false;
  current.slice_end = used + kRealtimeSlice;
  return std::any_of(ready_.begin(), ready_.end(),
                     [&](const Task& task) { return task.pi.effective() == priority; });
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
  arch::set_alarm(clocks_.source().host_time_until(*next));
}

void Scheduler::take_ticks(Task& current) {
  const unsigned ticks = arch::take_ticks();
  if (ticks == 0) return;
  stats_.ticks += ticks;
  owner_.take_session_wakes();
  if (virtual_clock_ != nullptr) return take_ticks_virtual(current, ticks);
  // It may have been the alarm, and even a little early by our clock: it is asked for again if need be.
  alarm_ = Instant<Monotonic>::max();
  if (poller_.watching()) poller_.wait(Duration());
  expire_due();
  give_way(current, true);
}

// Guest code that goes on and on without entering the kernel: time has to pass for it, or a loop that
// waits for a timer's signal or for another task would never end. The one place where virtual time depends
// on the host's, so it is kept for loops that are long, and where there is something to wait for.
void Scheduler::take_ticks_virtual(Task& current, unsigned ticks) {
  const bool quiet = std::exchange(entries_since_tick_, 0) == 0;
  quiet_ticks_ = quiet ? quiet_ticks_ + ticks : 0;
  if (!quiet) seen_.clear();
  const bool own_wait = !ready_.empty() || timers_.next_deadline();
  if (!own_wait && !turns_.active()) return;
  // Where time is the session's, it is not for one process to jump.
  const bool alone = chooser_.active() && !turns_.active();
  if (alone && seen_before(current)) return leave_spinning(current);
  if (quiet_ticks_ < (chooser_.active() || !own_wait ? kRecordedQuietTicks : kQuietTicks)) return;
  ++stats_.host_preemptions;
  virtual_clock_->charge(Duration::nanoseconds(kTickLength.ns() * std::exchange(quiet_ticks_, 0)));
  expire_due();
  give_way(current, true);
}

// Twice at one place with equal registers and no system call in between: a loop that waits for somebody, as
// far as one can tell from outside.
bool Scheduler::seen_before(const Task& current) {
  const arch::UserRegs& now = current.user.regs;
  const auto same = [&](const arch::UserRegs& then) {
    return std::memcmp(&then, &now, sizeof(now)) == 0;
  };
  if (std::ranges::any_of(seen_, same)) return true;
  if (seen_.size() < kTicksSeen) seen_.push_back(now);
  return false;
}

// The guest computes nothing, so it does not matter to it how often it went round: what is charged for that
// does not depend on the host, and the run can be repeated.
void Scheduler::leave_spinning(Task& current) {
  ++stats_.spins;
  seen_.clear();
  quiet_ticks_ = 0;
  current.trace.spinning = true;
  ++current.trace.repeats;  // who has spun longest comes last
  if (ready_.empty()) {
    virtual_clock_->advance_to(std::max(*timers_.next_deadline(), clocks_.monotonic()));
  } else {
    virtual_clock_->charge(kTickLength);
  }
  expire_due();
  yield(current);
}

}  // namespace detent::sched

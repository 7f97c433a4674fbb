// Scheduler: which task runs. One at a time, on one host thread.
//
// A switch happens only inside park(), yield(), exit_current() and after_trap(). All of them run on
// the current task's fiber and switch straight to the next task's; if none is ready, the idle loop runs
// on the fiber that gave up last. So between two calls of the scheduler, kernel code is atomic.
//
// Order: by effective real-time priority, then FIFO, unless trace::choose() says otherwise. A task with a
// real-time priority gives way to a higher one only, and keeps its place then; and after 100 ms (Linux's
// time slice of SCHED_RR) to its peers: those of SCHED_FIFO too, since on a machine of several processors
// they would run all the while. Time is advanced here and nowhere else.
#pragma once

#include <boost/intrusive/list.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "detent/config.h"
#include "detent/units.h"
#include "emu/sched/host_poller.h"
#include "emu/sched/run_observer.h"
#include "emu/sched/turns.h"
#include "emu/task/task.h"
#include "emu/trace/chooser.h"
#include "timebase/timer_queue.h"
#include "timebase/virtual_clock.h"

namespace detent::sched {

/// An instant on one of the clocks; `when` in ns. A REALTIME deadline follows steps of that clock.
struct Deadline {
  timebase::Base base = timebase::Base::kMonotonic;
  std::int64_t when = 0;
  bool alarm = false;  ///< ends a suspend
};

enum class Wake : std::uint8_t {
  kWoken,        ///< somebody called make_ready()
  kTimedOut,     ///< the deadline passed and nobody had woken the task before
  kInterrupted,  ///< a signal is pending, nobody had woken it and the deadline had not passed
};

/// What the scheduler asks of its owner when nothing is ready and nothing can ever be.
class IdleOwner {
 public:
  /// All tasks are blocked; no timer is armed, no host fd is waited for. Does not return if it is a
  /// deadlock; returns if the host may still send a signal that ends the wait.
  virtual void on_stuck() = 0;
  /// Host signals were recorded; turn them into guest signals.
  virtual void drain_host_signals() = 0;
  /// Other processes of the session woke tasks of this one: marks them. True if there were any.
  virtual bool take_session_wakes() = 0;
  /// True while tasks wait for other processes of the session in a way that the poller does not know.
  virtual bool session_waits() = 0;
  /// Called now and then meanwhile: looks for what no other process told, because it was killed.
  virtual void look_for_orphans() = 0;
  /// True while processes outside this one (children) may act on what is being waited for.
  virtual bool outside_active() = 0;
  /// SchedulerOptions::time_limit has passed. Does not return.
  virtual void on_time_budget() = 0;
  /// SchedulerOptions::max_steps are used up. Does not return.
  virtual void on_step_budget() = 0;
  /// Nothing is ready. True if that changed the clocks, so that timers may be due.
  virtual bool on_idle() = 0;
  /// Bytes that the guest sent and the host has not passed on yet, though it will.
  virtual std::uint64_t undelivered() = 0;
  /// SchedulerOptions::livelock_entries in a row, and time stood still. Does not return.
  virtual void on_livelock() = 0;

 protected:
  ~IdleOwner() = default;
};

struct SchedulerOptions {
  Duration syscall_cost = Duration::microseconds(1);  ///< virtual time charged per kernel entry
  Duration quantum = Duration::milliseconds(10);      ///< virtual time after which a task yields
  Duration io_grace = Duration::milliseconds(5);  ///< host time that virtual time leaves host I/O
  std::int64_t time_limit = INT64_MAX;            ///< instant of the monotonic clock, ns
  std::uint64_t livelock_entries = 0;             ///< 0: never reported
  std::uint64_t max_steps = 0;                    ///< kernel entries; 0: without limit
  emu::IdleMode idle = emu::IdleMode::kBlock;
};

struct SchedulerStats {
  std::uint64_t switches = 0;
  std::uint64_t idle_waits = 0;
  std::uint64_t timers_fired = 0;
  std::uint64_t ticks = 0;
  std::uint64_t host_preemptions = 0;  ///< by the host's tick in virtual time: not repeatable
  std::uint64_t spins = 0;             ///< loops without system calls that were seen to wait
};

class Scheduler {
 public:
  /// `virtual_clock` is null unless time is virtual. All references outlive the scheduler.
  Scheduler(timebase::ClockSet& clocks, timebase::TimerQueue& timers, HostPoller& poller,
            trace::Chooser& chooser, timebase::VirtualClock* virtual_clock, Turns& turns,
            IdleOwner& owner, const SchedulerOptions& options);

  [[nodiscard]] Task& current() { return *current_; }
  /// A new task: it will run. Never switches.
  void add(Task& task);
  /// What a waker calls: a blocked task's park() answers kWoken; on a task that is not blocked it makes
  /// the next park() return at once. Never switches.
  void make_ready(Task& task);
  /// Puts a blocked task among the ready ones without saying why (its park() finds out).
  void resume(Task& task);
  /// Keeps a task that is not running from taking a turn until release(): PTRACE_ATTACH. Never switches.
  void hold(Task& task);
  void release(Task& task);
  /// Ends an interruptible park() with kInterrupted. Never switches.
  void interrupt(Task& task);

  /// Blocks the current task until make_ready(), the deadline, or (if `interruptible`) a signal.
  Wake park(Task& current, std::optional<Deadline> deadline, bool interruptible = true);
  /// Lets the other processes of the session take a turn, where they take turns.
  void pass_turn() {
    if (turns_.active()) let_others_take_turns();
  }
  /// Lets every other ready task go first; where there is none, the other processes of the session.
  void yield(Task& current);
  /// Leaves the current task for ever. Its Task object may be destroyed by whoever runs next, through
  /// `reap`, called once the dead task's stack is no longer in use.
  [[noreturn]] void exit_current(Task& current, void (*reap)(Task&));
  /// Called before a system call is served and after it: `kind` says which. Another task may run first.
  void offer_switch(Task& current, trace::Choice kind);
  /// Called before the instruction at a preemption point in user code, with the event published. Costs no
  /// virtual time, but for a task that `spins`: that is as if it had called sched_yield(2).
  void offer_point(Task& current, bool spins);
  /// True while something could come of offer_point().
  [[nodiscard]] bool point_matters() const {
    return chooser_.active() && (!ready_.empty() || timers_.next_deadline().has_value());
  }
  /// Called before a system call or a fault is handled: timers that are due by now have fired for whatever
  /// the guest asks. Not where the host interrupted the guest: see after_interrupt().
  /// `call` is the system call, or -1.
  void before_trap(long call) {
    expire_due();
    if (chooser_.active()) offer_expiry(call);
  }
  /// The guest got something done: see SchedulerOptions::livelock_entries.
  void note_progress() { fruitless_ = 0; }
  /// Null: nobody. It outlives the scheduler.
  void observe(RunObserver* observer) { observer_ = observer; }
  /// For a copy of this process that goes on with a limit of its own.
  void set_time_limit(std::int64_t limit) { options_.time_limit = limit; }
  void set_max_steps(std::uint64_t steps) { options_.max_steps = steps; }
  /// Kernel entries so far.
  [[nodiscard]] std::uint64_t steps() const { return steps_; }
  /// Called after every trap was handled: charges virtual time, fires due timers, takes ticks, and may
  /// switch.
  void after_trap(Task& current);
  /// Called instead where the host interrupted the guest, at an instant of its own: costs the guest no
  /// virtual time and asks for no choice, or a run could not be repeated.
  void after_interrupt(Task& current);
  /// First call of a new task's fiber: finishes the switch that led to it.
  void arrived();
  /// CPU time that `task` has used, the running slice included.
  [[nodiscard]] Duration cpu_time(const Task& task);
  /// `task` has a real-time priority from now on: the highest goes first, and preempts.
  void use_priority(Task& task) {
    priorities_used_ = true;
    task.slice_end = cpu_time(task) + kRealtimeSlice;
  }
  /// Enters the first task from the boot stack; never returns.
  [[noreturn]] void start(Task& first);
  /// After fork: forgets every task but `survivor`.
  void keep_only(Task& survivor);

  [[nodiscard]] bool others_ready() const { return !ready_.empty(); }
  [[nodiscard]] const SchedulerStats& stats() const { return stats_; }

 private:
  static constexpr Duration kRealtimeSlice = Duration::milliseconds(100);
  // Virtual time after which host fds are looked at though there is always a task that can run.
  static constexpr Duration kLookInterval = Duration::milliseconds(1);
  // How far all early expiries of a run together may advance the clock. A watchdog of the guest that is
  // set further ahead never goes off before its time.
  static constexpr Duration kEarlyTotal = Duration::seconds(1);
  using ReadyList = boost::intrusive::list<Task, boost::intrusive::constant_time_size<true>>;

  void enqueue(Task& task, bool first = false);
  void tell_ready(Task& task);
  Task& next_ready();
  Task* take_ready();
  [[nodiscard]] bool outranked(const Task& current);
  ReadyList::iterator choose_ready();
  [[nodiscard]] int due_priority(const Task* running);
  bool throttled(int highest, int lowest);
  bool give_way(Task& current, bool turn_over);
  bool give_way_realtime(Task& current, int priority);
  bool realtime_slice_over(Task& current, int priority);
  void switch_from(Task& from);
  void stop_slice(Task& from);
  void hand_over(Task& from, Task& next);
  void check_limits();
  void offer_expiry(long call);
  void offer_delay(std::optional<Instant<Monotonic>> deadline);
  void order_candidates();
  void hold_up(Task& task);
  void let_all_go();
  void idle();
  void idle_real(std::optional<Instant<Monotonic>> deadline);
  [[nodiscard]] bool await_delivery(std::optional<Instant<Monotonic>> deadline);
  void idle_virtual(std::optional<Instant<Monotonic>> deadline);
  void idle_in_session(std::optional<Instant<Monotonic>> deadline);
  void jump_in_session(bool stuck);
  void let_others_take_turns();
  bool expire_due();
  void look_at_host();
  void keep_alarm();
  [[nodiscard]] bool slice_over() const;
  void wait_for_host(std::optional<Instant<Monotonic>> deadline, std::optional<Duration> left);
  bool spin(Instant<Monotonic> end);
  void take_ticks(Task& current);
  void take_ticks_virtual(Task& current, unsigned ticks);
  bool seen_before(const Task& current);
  void leave_spinning(Task& current);

  timebase::ClockSet& clocks_;
  timebase::TimerQueue& timers_;
  HostPoller& poller_;
  trace::Chooser& chooser_;
  timebase::VirtualClock* virtual_clock_;
  Turns& turns_;
  IdleOwner& owner_;
  RunObserver* observer_ = nullptr;
  SchedulerOptions options_;
  SchedulerStats stats_;
  ReadyList ready_;
  std::vector<trace::Candidate> candidates_;  // kept, so that asking allocates nothing
  std::vector<Task*> candidate_tasks_;        // the same tasks
  Task* current_ = nullptr;
  Task* dead_ = nullptr;
  void (*reap_)(Task&) = nullptr;
  arch::Fiber boot_fiber_;
  std::int64_t slice_start_ = 0;
  Instant<Monotonic> next_look_;  // see look_at_host()
  /// When the host will interrupt a guest that makes no system calls, for a timer; at the latest.
  Instant<Monotonic> alarm_ = Instant<Monotonic>::max();
  std::uint64_t entries_since_tick_ = 0;
  std::uint64_t fruitless_ = 0;  ///< entries since time jumped or somebody got something done
  std::int64_t early_left_ = kEarlyTotal.ns();
  std::uint64_t held_up_ = 0;  ///< bytes undelivered that were waited for in vain
  std::uint64_t steps_ = 0;
  unsigned quiet_ticks_ = 0;          ///< of guest code without a kernel entry
  std::vector<arch::UserRegs> seen_;  ///< where the guest was at the ticks of that time
  bool priorities_used_ = false;
  // Real-time throttling: when a task of no priority last ran or was not waiting to, and until when they may.
  Instant<Monotonic> unprivileged_ran_;
  Instant<Monotonic> throttled_until_;
};

}  // namespace detent::sched

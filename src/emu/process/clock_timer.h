// ClockTimer: a timer on any clock that a POSIX timer may name, the CPU-time clocks included. Base of
// PosixTimer, of the interval timers and of sleeps on a CPU clock.
//
// A CPU clock has no queue of its own: the timer sleeps on MONOTONIC for as long as the clock needs at
// the soonest (one task runs at a time, so CPU time is never faster than MONOTONIC), looks, and sleeps
// again. So a CPU timer is late by up to kLongestLook after the process was idle, and a process with an
// armed one is never reported as deadlocked.
#pragma once

#include <cstdint>

#include "detent/ids.h"
#include "detent/units.h"
#include "emu/sched/scheduler.h"
#include "timebase/clock_set.h"
#include "timebase/timer_queue.h"

namespace detent::process {

class Process;

/// What timers need of the kernel. All of it outlives every timer.
struct TimeContext {
  timebase::ClockSet& clocks;
  timebase::TimerQueue& queue;
  sched::Scheduler& scheduler;
  Process& process;
};

/// A clock that timers can run on.
struct TimerClock {
  enum class Kind : std::uint8_t { kBase, kProcessCpu, kThreadCpu };
  Kind kind = Kind::kBase;
  timebase::Base base = timebase::Base::kMonotonic;  ///< of kBase
  Tid thread{};                                      ///< of kThreadCpu
  bool alarm = false;                                ///< of kBase: ends a suspend
};

/// CPU time of the process. Real time: the host's answer, this kernel's own work included. Virtual time:
/// the sum over its tasks, living and dead.
Duration process_cpu_time(const TimeContext& context);
/// CPU time of one task; zero if it is no more. All of it counts as user time.
Duration thread_cpu_time(const TimeContext& context, Tid thread);

class ClockTimer : private timebase::Timer {
 public:
  ClockTimer(const TimeContext& context, const TimerClock& clock)
      : context_(context), clock_(clock) {}
  ~ClockTimer() override { stop(); }

  /// The clock's present time, ns.
  [[nodiscard]] std::int64_t now() const;
  [[nodiscard]] bool running() const { return Timer::armed(); }

 protected:
  /// on_due() will be called when the clock shows `when` or more.
  void start(std::int64_t when);
  void stop() { context_.queue.cancel(*this); }
  /// In the scheduler's context; the timer is not running then and may be started again.
  virtual void on_due() = 0;
  /// Changes the clock of a timer that is not running.
  void use_clock(const TimerClock& clock) { clock_ = clock; }
  [[nodiscard]] const TimerClock& clock() const { return clock_; }
  [[nodiscard]] const TimeContext& context() const { return context_; }

 private:
  static constexpr std::int64_t kShortestLook = 20'000;
  /// In real time: Linux looks at CPU timers on its tick, of 1 to 10 ms (kernel/time/posix-cpu-timers.c). So
  /// one that is faster than its handler leaves the program time to get on.
  static constexpr std::int64_t kRealShortestLook = 1'000'000;
  static constexpr std::int64_t kFirstIdleLook = 1'000'000;
  static constexpr std::int64_t kLongestLook = 100'000'000;

  void on_expire() final;
  void look_again();

  TimeContext context_;
  TimerClock clock_;
  std::int64_t due_ = 0;
  // CPU clocks: the last reading, the wait that followed it, and the wait while the clock is slow.
  std::int64_t seen_ = -1;
  std::int64_t last_look_ = 0;
  std::int64_t idle_look_ = kFirstIdleLook;
  bool firing_ = false;  ///< on_due() runs
};

}  // namespace detent::process

// ITimers: the three interval timers of a process, getitimer(2), setitimer(2), alarm(2).
//
// ITIMER_REAL is re-armed when a SIGALRM for the process is taken, along its grid: no drift, and while
// SIGALRM is blocked or ignored it stands still (kernel/time/itimer.c, dequeue_signal()). ITIMER_VIRTUAL
// and ITIMER_PROF both run on the CPU time of the process, since what a guest's calls cost is user time
// of the host process anyway.
#pragma once

#include <sys/time.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "emu/process/clock_timer.h"

namespace detent::process {

/// One of them. Made by ITimers.
class IntervalTimer final : private ClockTimer {
 public:
  /// ns: time until the next expiry (0: not running) and the period (0: one-shot).
  struct Times {
    std::int64_t value = 0;
    std::int64_t interval = 0;
  };
  IntervalTimer(const TimeContext& context, int which);
  [[nodiscard]] Times get() const;
  void set(const Times& wanted);
  /// ITIMER_REAL: a SIGALRM for the process is being taken.
  void on_signal_taken();

 private:
  void on_due() override;

  int which_;
  std::int64_t expiry_ = 0;
  std::int64_t interval_ = 0;
};

class ITimers {
 public:
  using Times = IntervalTimer::Times;
  static constexpr std::size_t kCount = 3;

  /// `which`: ITIMER_REAL, ITIMER_VIRTUAL or ITIMER_PROF. execve(2) keeps the timers: the next image
  /// sets what this one gets.
  [[nodiscard]] Times get(int which) const;
  /// setitimer(2). Returns what get() would have.
  Times set(const TimeContext& context, int which, const Times& wanted);
  /// fork(2): the child has none.
  void clear() { timers_ = {}; }
  /// A SIGALRM for the process is being taken.
  void on_alarm_taken();

 private:
  std::array<std::unique_ptr<IntervalTimer>, kCount> timers_;
};

}  // namespace detent::process

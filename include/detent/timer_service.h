// TimerService: clocks and a timer queue for programs that use detent's timer core as a library, in
// virtual or in real time. The core (timebase::TimerQueue) is the one that the kernel runs guests on.
//
// Who calls: any thread may start and cancel timers and read clocks. One thread at a time *drives*:
// calls run_due(), run_next(), run_until() or a wait of HrSleeper or PeriodicInterval; a second one
// waits for its turn. Callbacks run on the driving thread, one after the other, with no lock held, in
// the order of (deadline, arming order).
//
// Example: examples/watchdog.cc.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

#include "detent/timer.h"
#include "detent/units.h"

namespace detent {

class HrTimerBase;

class TimerService {
 public:
  /// Time stands still until a driver has nothing due: then it jumps to the next timer.
  static std::unique_ptr<TimerService> with_virtual_time(Instant<Monotonic> start = {});
  /// The host's time, read from the TSC where that is invariant.
  static std::unique_ptr<TimerService> with_real_time();
  /// No timer is armed any more.
  ~TimerService();
  TimerService(const TimerService&) = delete;
  TimerService& operator=(const TimerService&) = delete;

  template <class Clock = Monotonic>
  [[nodiscard]] Instant<Clock> now() {
    return Instant<Clock>::from_ns(read(timebase::kBaseOf<Clock>));
  }
  /// Timers armed.
  [[nodiscard]] std::size_t armed() const;

  /// Fires what is due. Returns how many fired. What callbacks arm waits for the next call.
  std::size_t run_due();
  /// Goes to the earliest deadline (virtual: jumps; real: waits), and fires what is due. False if no
  /// timer is armed, or all for ever.
  bool run_next();
  /// Drives until MONOTONIC shows `end`, or later if callbacks take long.
  void run_until(Instant<Monotonic> end);
  /// Drives until done() is true, which is asked under the service's lock after each step. Another
  /// thread may be driving: then only waits. False if there is nothing left that could change it.
  bool run_while_not(const std::function<bool()>& done);

  /// Moves REALTIME and TAI; absolute timers on them follow.
  void step_realtime(Duration by);
  /// Moves all clocks but MONOTONIC, as a suspend of that length (>= 0) does.
  void suspend(Duration length);

 private:
  friend class HrTimerBase;
  class Impl;
  explicit TimerService(std::unique_ptr<Impl> impl);
  [[nodiscard]] std::int64_t read(timebase::Base base);

  std::unique_ptr<Impl> impl_;
};

}  // namespace detent

// PeriodicInterval: something to be done every so often, awaited tick by tick.
//
//   auto interval = PeriodicInterval::create(*service, Duration::milliseconds(10)).value();
//   for (;;) { std::uint64_t ticks = interval.await(); ... }
//
// Ticks lie on a grid: first + k * period. What an await does when ticks were missed is the policy:
//
//   period 10, work until 34 after the tick of 0:   burst  ticks of 10, 20, 30 at once, 1 each; then 40, 50
//                                                    skip   3 ticks at once;               then 40, 50
//                                                    delay  3 ticks at once;               then 44, 54
//
// With burst and skip the grid never moves, however late anybody is: no drift. With delay a new one
// starts at a late await, so that two ticks are never less than a period apart.
//
// Who calls: one thread. Units: ns of MONOTONIC. Example: examples/metronome.cc.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "detent/hrtimer.h"
#include "detent/result.h"
#include "detent/timer_service.h"
#include "detent/units.h"

namespace detent {

enum class MissedTicks : std::uint8_t { kBurst, kDelay, kSkip };

/// The arithmetic of a PeriodicInterval; knows no clock.
class PeriodicSchedule {
 public:
  /// `period` > 0.
  PeriodicSchedule(Instant<Monotonic> first, Duration period, MissedTicks policy)
      : next_(first), period_(period), policy_(policy) {}
  [[nodiscard]] Instant<Monotonic> next() const { return next_; }
  /// The ticks to be told at `now`, 0 if the next one is still to come; the schedule goes on behind them.
  std::uint64_t take(Instant<Monotonic> now);

 private:
  Instant<Monotonic> next_;
  Duration period_;
  MissedTicks policy_;
};

class PeriodicInterval {
 public:
  /// The first tick is at `first`, or a period from now. EINVAL for a period that is not positive.
  static Result<PeriodicInterval> create(TimerService& service, Duration period,
                                         MissedTicks policy = MissedTicks::kBurst,
                                         std::optional<Instant<Monotonic>> first = std::nullopt);

  /// Waits for the next tick (drives the service, if nobody else does). Returns how many ticks it
  /// stands for, as the policy says; never 0.
  std::uint64_t await();
  /// The same without waiting: 0 if no tick is due.
  std::uint64_t poll() { return schedule_->take(service_->now()); }
  [[nodiscard]] Instant<Monotonic> next() const { return schedule_->next(); }

  // Made by Result<PeriodicInterval>, and good for nothing but assignment.
  PeriodicInterval() = default;

 private:
  PeriodicInterval(TimerService& service, const PeriodicSchedule& schedule);

  TimerService* service_ = nullptr;
  std::optional<PeriodicSchedule> schedule_;
  std::unique_ptr<HrSleeper> sleeper_;  // by pointer: a timer does not move
};

}  // namespace detent

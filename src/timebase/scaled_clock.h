// ScaledClock: another clock's time, running `factor` times as fast, and faster or slower than that by
// the frequency that adjtimex(2) or a scenario sets.
#pragma once

#include <cstdint>

#include "timebase/clock.h"
#include "timebase/rate_line.h"

namespace detent::timebase {

class ScaledClock final : public ClockSource {
 public:
  /// The factors for which neither a century nor a nanosecond is lost in the arithmetic.
  static constexpr double kMinFactor = 1e-6;
  static constexpr double kMaxFactor = 1e6;

  /// `factor`: guest seconds per host second, in [kMinFactor, kMaxFactor]; it is rounded to a
  /// multiple of 2^-40. `real` outlives this clock.
  ScaledClock(ClockSource& real, double factor);
  /// Goes on where another one was: it showed `shown` when `real` showed `at`.
  ScaledClock(ClockSource& real, double factor, Instant<Monotonic> at, Instant<Monotonic> shown);

  [[nodiscard]] Instant<Monotonic> now() override;
  [[nodiscard]] std::int64_t raw() override { return raw_.at(real_.now().ns()); }
  bool set_frequency(Frequency frequency) override;
  /// The shortest host time after which now() is `deadline` or later; 0 if it is already.
  [[nodiscard]] Duration host_time_until(Instant<Monotonic> deadline) override;

 private:
  ClockSource& real_;
  // Fixed point, not double: exact after any uptime, and no vector register is touched on a read.
  std::uint64_t mult_;  // at the nominal frequency
  RateLine shown_;
  RateLine raw_;
};

}  // namespace detent::timebase

// ClockSource: where MONOTONIC time comes from. Four implementations: TscClock (real time),
// HostClock (real time where the TSC cannot be trusted), VirtualClock, ScaledClock.
#pragma once

#include "detent/units.h"

namespace detent::timebase {

class ClockSource {
 public:
  ClockSource() = default;
  ClockSource(const ClockSource&) = delete;
  ClockSource& operator=(const ClockSource&) = delete;
  virtual ~ClockSource() = default;

  /// The present MONOTONIC time. Never goes back between two calls.
  [[nodiscard]] virtual Instant<Monotonic> now() = 0;

  /// True where time stands still unless the kernel moves it (VirtualClock).
  [[nodiscard]] virtual bool is_virtual() const { return false; }

  /// How much host time passes until this clock shows `deadline`; zero or less if it already does.
  /// Only for clocks that are not virtual.
  [[nodiscard]] virtual Duration host_time_until(Instant<Monotonic> deadline) {
    return deadline - now();
  }
};

}  // namespace detent::timebase

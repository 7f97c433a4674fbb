// ClockSource: where MONOTONIC time comes from. Four implementations: TscClock (real time),
// HostClock (real time where the TSC cannot be trusted), VirtualClock, ScaledClock.
#pragma once

#include <cstdint>

#include "detent/units.h"

namespace detent::timebase {

/// How much faster than nominal a clock runs, in parts of 2^40 (about 1e-12); 0: nominal.
struct Frequency {
  std::int64_t parts = 0;

  static constexpr std::int64_t kOne = std::int64_t{1} << 40;
  /// Half to one and a half times as fast: more than adjtimex(2)'s tick (10 %), frequency (500 ppm) and
  /// phase corrections come to, with kMaxSlewPpb on top.
  static constexpr std::int64_t kMaxParts = kOne / 2;
  static constexpr std::int64_t kMaxSlewPpb = 100'000'000;
  /// `ppb`: parts per billion.
  static constexpr Frequency from_ppb(std::int64_t ppb) {
    return {static_cast<std::int64_t>(static_cast<__int128>(ppb) * kOne / kNanosPerSecond)};
  }
  friend constexpr bool operator==(Frequency, Frequency) = default;
};

class ClockSource {
 public:
  ClockSource() = default;
  ClockSource(const ClockSource&) = delete;
  ClockSource& operator=(const ClockSource&) = delete;
  virtual ~ClockSource() = default;

  /// The present MONOTONIC time. Never goes back between two calls.
  [[nodiscard]] virtual Instant<Monotonic> now() = 0;

  /// MONOTONIC_RAW, ns: what now() would show if the frequency had always been nominal.
  [[nodiscard]] virtual std::int64_t raw() { return now().ns(); }
  /// From now on MONOTONIC runs at `frequency` against MONOTONIC_RAW. False if this source can't.
  virtual bool set_frequency(Frequency) { return false; }

  /// True where time stands still unless the kernel moves it (VirtualClock).
  [[nodiscard]] virtual bool is_virtual() const { return false; }

  /// How much host time passes until this clock shows `deadline`; zero or less if it already does.
  /// Only for clocks that are not virtual.
  [[nodiscard]] virtual Duration host_time_until(Instant<Monotonic> deadline) {
    return deadline - now();
  }
};

}  // namespace detent::timebase

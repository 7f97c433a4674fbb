// RateLine: the straight line between two clocks of which one runs a little, or many times, faster. Exact
// integer arithmetic: no error adds up over repeated readings.
#pragma once

#include <cstdint>

namespace detent::timebase {

class RateLine {
 public:
  static constexpr int kFractionBits = 40;

  /// Through (`from`, `to`), both in ns; `mult`: ns of the second clock for each of the first, times
  /// 2^kFractionBits; from 1 up to 2^(22 + kFractionBits).
  RateLine(std::int64_t from, std::int64_t to, std::uint64_t mult)
      : from_(from), to_(to), mult_(mult) {}

  /// What the second clock shows when the first shows `from`, which is not before the origin. Rounded
  /// down; saturates at INT64_MAX.
  [[nodiscard]] std::int64_t at(std::int64_t from) const;
  /// The earliest reading of the first clock at which the second shows `to` or more.
  [[nodiscard]] std::int64_t earliest(std::int64_t to) const;
  /// The latest reading of the first clock at which the second shows `to` or less.
  [[nodiscard]] std::int64_t latest(std::int64_t to) const;

 private:
  std::int64_t from_;
  std::int64_t to_;
  std::uint64_t mult_;
};

}  // namespace detent::timebase

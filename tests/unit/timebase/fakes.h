// Stand-ins that the timebase tests share.
#pragma once

#include <catch2/catch.hpp>
#include <string>

#include "detent/units.h"
#include "timebase/clock.h"

namespace detent::timebase {

/// A "real" clock that the test moves.
class ManualClock final : public ClockSource {
 public:
  explicit ManualClock(std::int64_t ns) : ns_(ns) {}
  [[nodiscard]] Instant<Monotonic> now() override { return Instant<Monotonic>::from_ns(ns_); }
  void pass(std::int64_t ns) { ns_ += ns; }

 private:
  std::int64_t ns_;
};

constexpr Instant<Monotonic> mono(std::int64_t ns) { return Instant<Monotonic>::from_ns(ns); }

}  // namespace detent::timebase

template <class Clock>
struct Catch::StringMaker<detent::Instant<Clock>> {
  static std::string convert(detent::Instant<Clock> t) { return std::to_string(t.ns()) + " ns"; }
};
template <>
struct Catch::StringMaker<detent::Duration> {
  static std::string convert(detent::Duration d) { return std::to_string(d.ns()) + " ns"; }
};

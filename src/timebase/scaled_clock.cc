#include "timebase/scaled_clock.h"

#include <algorithm>
#include <cmath>

#include "detent/assert.h"

namespace detent::timebase {
namespace {

std::uint64_t to_fixed_point(double factor) {
  DETENT_ASSERT(factor >= ScaledClock::kMinFactor && factor <= ScaledClock::kMaxFactor);
  return static_cast<std::uint64_t>(std::llround(std::ldexp(factor, RateLine::kFractionBits)));
}

std::uint64_t mult_at(std::uint64_t nominal, Frequency frequency) {
  static_assert(Frequency::kOne == std::int64_t{1} << RateLine::kFractionBits);
  DETENT_ASSERT(std::abs(frequency.parts) <= Frequency::kMaxParts);
  const auto factor = static_cast<unsigned __int128>(Frequency::kOne + frequency.parts);
  return std::max<std::uint64_t>(
      static_cast<std::uint64_t>((factor * nominal) >> RateLine::kFractionBits), 1);
}

}  // namespace

ScaledClock::ScaledClock(ClockSource& real, double factor, Instant<Monotonic> at,
                         Instant<Monotonic> shown)
    : real_(real),
      mult_(to_fixed_point(factor)),
      shown_(at.ns(), shown.ns(), mult_),
      raw_(shown_) {}

ScaledClock::ScaledClock(ClockSource& real, double factor)
    : real_(real), mult_(to_fixed_point(factor)), shown_(0, 0, mult_), raw_(shown_) {
  const std::int64_t now = real.now().ns();
  raw_ = shown_ = RateLine(now, now, mult_);
}

Instant<Monotonic> ScaledClock::now() {
  return Instant<Monotonic>::from_ns(shown_.at(real_.now().ns()));
}

bool ScaledClock::set_frequency(Frequency frequency) {
  const std::int64_t real = real_.now().ns();
  shown_ = RateLine(real, shown_.at(real), mult_at(mult_, frequency));
  return true;
}

Duration ScaledClock::host_time_until(Instant<Monotonic> deadline) {
  // From the line's origin, not from now: rounding does not add up over repeated waits.
  const std::int64_t real = real_.now().ns();
  return Duration::nanoseconds(
      std::max<std::int64_t>(saturating_sub(shown_.earliest(deadline.ns()), real), 0));
}

}  // namespace detent::timebase

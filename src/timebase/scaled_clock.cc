#include "timebase/scaled_clock.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "detent/assert.h"

namespace detent::timebase {
namespace {

// Products stay below 2^127: 63 bits of time, 40 of fraction, 20 of factor.
using Wide = __int128;
constexpr int kFractionBits = 40;

std::uint64_t to_fixed_point(double factor) {
  DETENT_ASSERT(factor >= ScaledClock::kMinFactor && factor <= ScaledClock::kMaxFactor);
  return static_cast<std::uint64_t>(std::llround(std::ldexp(factor, kFractionBits)));
}

Duration clamp_to_duration(Wide ns) {
  const Wide limit = std::numeric_limits<std::int64_t>::max();
  return Duration::nanoseconds(static_cast<std::int64_t>(std::min(ns, limit)));
}

Duration scale(Duration host, std::uint64_t mult) {
  return clamp_to_duration((Wide{host.ns()} * mult) >> kFractionBits);
}

// Rounded up, so that scale(unscale(d)) >= d.
Duration unscale(Duration guest, std::uint64_t mult) {
  return clamp_to_duration(((Wide{guest.ns()} << kFractionBits) + (mult - 1)) / mult);
}

}  // namespace

ScaledClock::ScaledClock(ClockSource& real, double factor)
    : real_(real), mult_(to_fixed_point(factor)), origin_(real.now()) {}

Instant<Monotonic> ScaledClock::now() { return origin_ + scale(real_.now() - origin_, mult_); }

Duration ScaledClock::host_time_until(Instant<Monotonic> deadline) {
  const Duration host_elapsed = real_.now() - origin_;
  const Instant<Monotonic> shown = origin_ + scale(host_elapsed, mult_);
  if (deadline <= shown) return {};
  // From the origin, not from now: rounding does not add up over repeated waits.
  return unscale(deadline - origin_, mult_) - host_elapsed;
}

}  // namespace detent::timebase

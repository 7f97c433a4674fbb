#include "timebase/rate_line.h"

#include <algorithm>
#include <limits>

namespace detent::timebase {
namespace {

// Products stay below 2^127: 63 bits of time, 40 of fraction, 22 of factor.
using Wide = __int128;

std::int64_t clamp(Wide ns) {
  const Wide limit = std::numeric_limits<std::int64_t>::max();
  return static_cast<std::int64_t>(std::min(ns, limit));
}

Wide distance(std::int64_t from, std::int64_t to) { return std::max<Wide>(Wide{to} - from, 0); }

}  // namespace

std::int64_t RateLine::at(std::int64_t from) const {
  return clamp(Wide{to_} + ((distance(from_, from) * mult_) >> kFractionBits));
}

std::int64_t RateLine::earliest(std::int64_t to) const {
  return clamp(Wide{from_} + ((distance(to_, to) << kFractionBits) + (mult_ - 1)) / mult_);
}

std::int64_t RateLine::latest(std::int64_t to) const {
  return clamp(Wide{from_} + (((distance(to_, to) + 1) << kFractionBits) - 1) / mult_);
}

}  // namespace detent::timebase

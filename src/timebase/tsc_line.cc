#include "timebase/tsc_line.h"

#include <algorithm>

#include "detent/assert.h"
#include "detent/units.h"

namespace detent::timebase {
namespace {

using Wide = unsigned __int128;
constexpr int kShift = 32;
// Counters do not change their rate: a measurement further off than this part of it (0.2 %) means
// that time was cut. Against a rough rate more is believed, but never nonsense, or the next line
// would last for years.
constexpr std::uint64_t kToleranceOfRate = 512;
constexpr std::uint64_t kToleranceOfRoughRate = 8;
// How far another core's counter may be behind, as a part of an interval: 1 ms.
constexpr std::uint64_t kSkewPart = 100;

std::uint64_t rate_between(TscSample first, TscSample second) {
  const std::uint64_t elapsed = static_cast<std::uint64_t>(second.ns - first.ns);
  return static_cast<std::uint64_t>((Wide{elapsed} << kShift) / (second.tsc - first.tsc));
}

bool ordered(TscSample first, TscSample second) {
  return second.tsc > first.tsc && second.ns > first.ns;
}

std::uint64_t difference(std::uint64_t a, std::uint64_t b) {
  return std::max(a, b) - std::min(a, b);
}

std::uint64_t ticks_per_interval(std::uint64_t rate) {
  return static_cast<std::uint64_t>((Wide{TscLine::kResyncInterval} << kShift) / rate);
}

}  // namespace

TscLine::TscLine(TscSample first, TscSample second) : first_(first) {
  DETENT_ASSERT(ordered(first, second));
  rate_ = rate_between(first, second);
  DETENT_ASSERT(rate_ != 0);
  line_ = {second.tsc, second.ns, rate_, ticks_per_interval(rate_)};
}

bool TscLine::covers(std::uint64_t tsc) const {
  const std::uint64_t skew = line_.ticks / kSkewPart;
  return tsc - line_.base_tsc + skew < line_.ticks + skew;
}

std::int64_t TscLine::at(std::uint64_t tsc) const {
  const std::uint64_t ticks = tsc - line_.base_tsc;
  if (static_cast<std::int64_t>(ticks) < 0) return line_.base_ns;
  return line_.base_ns + static_cast<std::int64_t>((Wide{ticks} * line_.mult) >> kShift);
}

void TscLine::resync(TscSample sample) {
  std::int64_t start = reached(sample.tsc);
  std::int64_t behind = saturating_sub(sample.ns, start);
  if (behind > kMaxSlew) {
    start = sample.ns;
    behind = 0;
  }
  learn_rate(sample);
  line_ = {sample.tsc, start, slewed_rate(behind), ticks_per_interval(rate_)};
}

// At least what any reader of this line has been shown. A reader in time has seen no more than the
// line at `tsc`; where the counter says nothing (rewritten, or unread for long) its end.
std::int64_t TscLine::reached(std::uint64_t tsc) const {
  const std::uint64_t ticks = tsc - line_.base_tsc;
  const bool went_back = static_cast<std::int64_t>(ticks) < 0;
  const std::uint64_t limit = went_back ? line_.ticks : 2 * line_.ticks;
  return at(line_.base_tsc + std::min(ticks, limit));
}

void TscLine::learn_rate(TscSample sample) {
  if (const std::uint64_t measured = believable_rate(sample); measured != 0) {
    rate_ = measured;
    rate_is_rough_ = false;
    return;
  }
  // Not this measurement, but the next one from here may be: a wrong rate must not stay.
  first_ = sample;
  rate_is_rough_ = true;
}

// The rate from first_ to `sample`, or 0 if it cannot be the counter's.
std::uint64_t TscLine::believable_rate(TscSample sample) const {
  if (!ordered(first_, sample)) return 0;
  const std::uint64_t measured = rate_between(first_, sample);
  const std::uint64_t part = rate_is_rough_ ? kToleranceOfRoughRate : kToleranceOfRate;
  return difference(measured, rate_) <= rate_ / part ? measured : 0;
}

std::uint64_t TscLine::slewed_rate(std::int64_t offset) const {
  const std::int64_t correction = std::max(offset, -kResyncInterval / 2);
  const Wide span = static_cast<std::uint64_t>(kResyncInterval + correction);
  return static_cast<std::uint64_t>(span * rate_ / static_cast<std::uint64_t>(kResyncInterval));
}

}  // namespace detent::timebase

#include "timebase/setting.h"

#include <algorithm>
#include <limits>

#include "detent/assert.h"

namespace detent::timebase {
namespace {

using Wide = __int128;

// The distance is 64 bits unsigned: from INT64_MIN to INT64_MAX it does not fit in 63.
std::uint64_t distance(std::int64_t from, std::int64_t to) {
  return static_cast<std::uint64_t>(to) - static_cast<std::uint64_t>(from);
}

Setting::Advance advance_periodic(const Setting& from, std::int64_t now) {
  const Wide steps = Wide{distance(from.next, now) / static_cast<std::uint64_t>(from.period)} + 1;
  const Wide next = from.next + steps * from.period;
  Setting::Advance result{0, from};
  result.expirations =
      static_cast<std::uint64_t>(std::min(steps, Wide{std::numeric_limits<std::uint64_t>::max()}));
  result.setting.next =
      static_cast<std::int64_t>(std::min(next, Wide{std::numeric_limits<std::int64_t>::max()}));
  return result;
}

}  // namespace

Setting::Advance Setting::advance(std::int64_t now) const {
  DETENT_ASSERT(period >= 0);
  if (!armed || now < next) return {0, *this};
  if (period == 0) return {1, {next, 0, false}};
  return advance_periodic(*this, now);
}

Duration Setting::remaining(std::int64_t now) const {
  if (!armed) return {};
  return std::max(Duration::nanoseconds(saturating_sub(next, now)), Duration::nanoseconds(1));
}

}  // namespace detent::timebase

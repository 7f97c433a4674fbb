#include "explore/estimate.h"

#include <algorithm>

namespace detent::explore {

double chance_of_new(std::uint64_t seen_once, std::uint64_t schedules) {
  if (schedules == 0) return 1;
  return static_cast<double>(seen_once) / static_cast<double>(schedules);
}

double failing_share_bound(std::uint64_t schedules) {
  if (schedules == 0) return 1;
  return std::min(1.0, 3.0 / static_cast<double>(schedules));
}

}  // namespace detent::explore

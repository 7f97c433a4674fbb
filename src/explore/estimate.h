// What is left to find: the estimate of Good and Turing (I. J. Good, 1953) over the traces seen.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace detent::explore {

/// How often each trace (by its hash) was seen.
using TraceCounts = std::map<std::string, std::uint64_t>;

/// The probability that the next schedule shows a trace not seen yet: the share of those seen once.
/// 1 before the first schedule.
double chance_of_new(std::uint64_t seen_once, std::uint64_t schedules);

/// With 95% confidence at most this share of all schedules fails, where none of `schedules` did
/// (the rule of three). 1 before the first schedule.
double failing_share_bound(std::uint64_t schedules);

}  // namespace detent::explore

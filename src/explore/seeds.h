// Seeds and shards: which schedules a campaign has. No coordinator is needed: schedule i of a campaign is
// the same wherever it runs, and shard s of N takes those with i = s mod N.
#pragma once

#include <cstdint>
#include <string_view>

namespace detent::explore {

/// H(master, i), the seed of schedule i: two rounds of SplitMix64's finaliser (Steele, Lea, Flood 2014).
std::uint64_t schedule_seed(std::uint64_t master, std::uint64_t index);

/// Whether schedule i is run twice and compared: the first one, and about one in a hundred of the rest.
bool is_rechecked(std::uint64_t master, std::uint64_t index);

struct Shard {
  std::uint64_t number = 0;  ///< in [0, count)
  std::uint64_t count = 1;
  /// The k-th schedule that this shard runs.
  [[nodiscard]] std::uint64_t index(std::uint64_t k) const { return number + k * count; }
  /// How many of the schedules [0, n) are this shard's.
  [[nodiscard]] std::uint64_t share_of(std::uint64_t n) const {
    return n > number ? (n - number - 1) / count + 1 : 0;
  }
  friend constexpr bool operator==(const Shard&, const Shard&) = default;
};

/// "s/N", s counted from 0. False if it is not that, or s >= N.
bool parse_shard(std::string_view text, Shard& shard);

}  // namespace detent::explore

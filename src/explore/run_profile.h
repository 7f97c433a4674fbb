// RunProfile: what the first schedule of a campaign tells the strategies of all others: how many choices
// among tasks there are, and which task does how much at which object.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "explore/runner.h"

namespace detent::explore {

struct RunProfile {
  struct Count {
    std::uint32_t task = 0;
    std::uint64_t object = 0;
    std::uint64_t events = 0;
  };
  /// More objects than this are of no use to a strategy that selects one.
  static constexpr std::size_t kMost = 4096;

  std::vector<Count> counts;
  std::uint64_t turns = 0;
  /// The same as `detent run --profile` reads it.
  std::string text;
};

/// From a kernel's report; null if it tells none.
std::shared_ptr<const RunProfile> profile_from(std::string_view report);
/// Runs the program once in Linux's usual order; null if it left no report.
std::shared_ptr<const RunProfile> profile_of(Runner& runner, std::uint64_t seed);

}  // namespace detent::explore

// What is done with the failures of a campaign before they are told: replayed, shrunk, told as a story.
#pragma once

#include <cstdint>
#include <functional>

#include "explore/results.h"
#include "explore/shrink.h"

namespace detent::explore {

/// Tells what happened in a failing run; sets story, file and line.
using Teller = std::function<void(Failure&)>;

struct AnalyseSpec {
  bool shrink = true;
  std::uint32_t max_replays = 1000;  ///< for one failure
  std::size_t most = 10;             ///< failures that are looked at
};

/// The outcome shows the failure with this key.
SameFailure same_as(const Failure& failure, const Criteria& criteria, const KeyOf& key);

/// A failure whose own deviations do not show it again becomes a mismatch as well.
void analyse(Runner& runner, Results& results, const Criteria& criteria, const KeyOf& key,
             const Teller& tell, const AnalyseSpec& spec);

}  // namespace detent::explore

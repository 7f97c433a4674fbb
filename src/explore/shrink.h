// Shrinking: fewer deviations from Linux's usual order, and still the same failure. Delta debugging
// (Zeller and Hildebrandt, 2002) over the deviation list, complements only, late deviations first, since
// what is removed moves only the choices behind it.
#pragma once

#include <cstdint>
#include <functional>

#include "explore/outcome.h"
#include "explore/runner.h"

namespace detent::explore {

/// Whether an outcome shows the failure that is being shrunk.
using SameFailure = std::function<bool(const Outcome&)>;

struct Shrunk {
  bool reproduced = false;  ///< false: the plan's own deviations do not show the failure again
  bool minimal = false;     ///< no single deviation can be left out; false if replays ran out
  std::uint32_t replays = 0;
  std::size_t deviations_before = 0;
  Plan plan;        ///< a replay: the smallest that was found
  Outcome outcome;  ///< its outcome, with stacks
};

/// `failing` is the outcome of the run to shrink, `seed` that run's. The result does not depend on the
/// runner's capacity.
Shrunk shrink(Runner& runner, const Outcome& failing, std::uint64_t seed, const SameFailure& same,
              std::uint32_t max_replays = 1000);

}  // namespace detent::explore

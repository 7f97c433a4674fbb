// Explaining: how probable the failure still is once the first k choices of a failing run are made. The
// choice at which the curve jumps is the moment of the bug.
#pragma once

#include <cstdint>
#include <vector>

#include "explore/runner.h"
#include "explore/shrink.h"

namespace detent::explore {

struct CurvePoint {
  std::uint32_t choices = 0;  ///< as many as the failing run made are fixed
  std::uint32_t failing = 0;
  std::uint32_t runs = 0;
  [[nodiscard]] double probability() const {
    return runs == 0 ? 0 : static_cast<double>(failing) / runs;
  }
};

struct Explanation {
  std::vector<CurvePoint> curve;  ///< ascending by choices
  /// The steepest step between neighbours of the curve; `to` is the index of its upper end. 0: there is
  /// no step.
  std::size_t to = 0;
};

struct ExplainSpec {
  std::uint32_t samples = 50;      ///< runs a point
  std::uint32_t first_points = 9;  ///< evenly spread, before the steepest step is halved
};

/// `failing` is a replay with its choices and deviations, `seed` its seed.
Explanation explain(Runner& runner, const Outcome& failing, std::uint64_t seed,
                    const SameFailure& same, const ExplainSpec& spec);

}  // namespace detent::explore

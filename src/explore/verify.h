// Verifying: one plan, many times; every run must be the same.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "explore/runner.h"

namespace detent::explore {

struct Verified {
  std::uint64_t runs = 0;
  std::map<std::string, std::uint64_t> outcomes;  ///< hash, verdict and output, to how often
  Outcome first;
  std::string complaint;  ///< of a run that detent itself spoiled
  [[nodiscard]] bool same() const { return outcomes.size() == 1 && complaint.empty(); }
};

/// `compare_output`: stdout counts as well as the trace.
Verified verify(Runner& runner, const Plan& plan, std::uint64_t runs, bool compare_output);

}  // namespace detent::explore

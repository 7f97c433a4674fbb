#include "explore/verify.h"

#include <fmt/format.h>

#include <algorithm>

#include "explore/failure.h"

namespace detent::explore {
namespace {

std::string line_of(const Outcome& outcome, bool with_output) {
  std::string line = fmt::format("trace {}, {}", outcome.trace_hash, describe(outcome));
  if (with_output) line += fmt::format(", stdout {}", short_hash(outcome.output));
  return line;
}

}  // namespace

Verified verify(Runner& runner, const Plan& plan, std::uint64_t runs, bool compare_output) {
  Verified result;
  while (result.runs < runs && result.complaint.empty()) {
    const auto batch = std::min<std::uint64_t>(runs - result.runs, 64);
    const std::vector<Request> requests(batch, Request{plan, compare_output, false});
    for (Outcome& outcome : run_all(runner, requests)) {
      if (outcome.verdict == Verdict::kBroken) {
        result.complaint = outcome.complaint;
        continue;
      }
      ++result.outcomes[line_of(outcome, compare_output)];
      if (result.runs++ == 0) result.first = std::move(outcome);
    }
  }
  return result;
}

}  // namespace detent::explore

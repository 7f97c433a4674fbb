#include "explore/analyse.h"

#include <fmt/format.h>

#include <algorithm>

namespace detent::explore {
namespace {

void shrink_failure(Runner& runner, Failure& failure, const SameFailure& same,
                    std::uint32_t max_replays, std::vector<Mismatch>& mismatches) {
  // A run without a report (hang) tells no deviations.
  if (failure.outcome.trace_hash.empty()) return;
  Shrunk shrunk = shrink(runner, failure.outcome, failure.plan.seed, same, max_replays);
  if (runner.stopping()) return;
  if (!shrunk.reproduced) {
    mismatches.push_back({failure.index, failure.plan, failure.why, "its replay does not fail so"});
    return;
  }
  failure.deviations_at_first = static_cast<std::int64_t>(shrunk.deviations_before);
  failure.outcome = std::move(shrunk.outcome);
}

}  // namespace

SameFailure same_as(const Failure& failure, const Criteria& criteria, const KeyOf& key) {
  return [wanted = failure.key, &criteria, &key](const Outcome& outcome) {
    const std::string why = criteria.why_failed(outcome);
    return !why.empty() && key(outcome, why) == wanted;
  };
}

void analyse(Runner& runner, Results& results, const Criteria& criteria, const KeyOf& key,
             const Teller& tell, const AnalyseSpec& spec) {
  CampaignResult& found = results.found;
  const std::size_t count = std::min(found.failures.size(), spec.most);
  for (std::size_t i = 0; i < count && !runner.stopping(); ++i) {
    Failure& failure = found.failures[i];
    if (spec.shrink) {
      shrink_failure(runner, failure, same_as(failure, criteria, key), spec.max_replays,
                     found.mismatches);
    }
    if (tell) tell(failure);
  }
  std::ranges::stable_sort(found.mismatches, {}, &Mismatch::index);
}

}  // namespace detent::explore

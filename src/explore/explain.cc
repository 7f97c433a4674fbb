#include "explore/explain.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "explore/seeds.h"

namespace detent::explore {
namespace {

// The deviations among the first `choices` choices, and behind them random ones: at one choice in 2, 4, 8 or
// 24 something else than the usual answer. An option that there is not counts modulo those that there are.
Deviations resampled(const Outcome& failing, std::uint32_t choices, std::uint64_t seed) {
  constexpr std::uint64_t kRarity[] = {2, 4, 8, 24};
  constexpr std::size_t kMost = 4096;
  constexpr std::uint32_t kOptions = 64;
  Deviations list;
  for (const Deviation& deviation : failing.deviations) {
    if (deviation.index < choices) list.push_back(deviation);
  }
  const std::uint64_t rarity = kRarity[schedule_seed(seed, 0) % std::size(kRarity)];
  // Another order may ask more than the failing run did.
  const std::uint32_t end = 2 * failing.choices + kOptions;
  for (std::uint32_t i = choices; i < end && list.size() < kMost; ++i) {
    const std::uint64_t bits = schedule_seed(seed, i + std::uint64_t{1});
    if (bits % rarity != 0) continue;
    list.push_back({i, static_cast<std::uint32_t>(1 + (bits >> 32) % (kOptions - 1))});
  }
  return list;
}

class Explainer {
 public:
  Explainer(Runner& runner, const Outcome& failing, std::uint64_t seed, const SameFailure& same,
            const ExplainSpec& spec)
      : runner_(runner), failing_(failing), seed_(seed), same_(same), spec_(spec) {}

  Explanation run() {
    const std::uint32_t steps = std::max<std::uint32_t>(spec_.first_points, 2) - 1;
    for (std::uint32_t i = 0; i <= steps; ++i) {
      add(static_cast<std::uint32_t>(std::uint64_t{failing_.choices} * i / steps));
    }
    for (std::size_t to = steepest(); to != 0; to = steepest()) {
      const std::uint32_t low = result_.curve[to - 1].choices;
      const std::uint32_t high = result_.curve[to].choices;
      if (high - low < 2 || runner_.stopping()) break;
      add(low + (high - low) / 2);
    }
    result_.to = steepest();
    return std::move(result_);
  }

 private:
  void add(std::uint32_t choices) {
    const auto at = std::ranges::lower_bound(result_.curve, choices, {}, &CurvePoint::choices);
    if (at != result_.curve.end() && at->choices == choices) return;
    result_.curve.insert(at, measure(choices));
  }

  CurvePoint measure(std::uint32_t choices) {
    std::vector<Request> requests;
    for (std::uint32_t i = 0; i < spec_.samples; ++i) {
      // The guest's random bytes stay those of the failing run.
      const Deviations list = resampled(failing_, choices, schedule_seed(choices, i));
      requests.push_back({{failing_.replay, seed_, list}, true, true});
    }
    CurvePoint point{choices, 0, 0};
    for (const Outcome& outcome : run_all(runner_, requests)) {
      if (outcome.verdict == Verdict::kBroken) continue;
      ++point.runs;
      if (same_(outcome)) ++point.failing;
    }
    return point;
  }

  [[nodiscard]] std::size_t steepest() const {
    std::size_t best = 0;
    double rise = 0;
    for (std::size_t i = 1; i < result_.curve.size(); ++i) {
      const double step = result_.curve[i].probability() - result_.curve[i - 1].probability();
      if (step > rise) {
        rise = step;
        best = i;
      }
    }
    return best;
  }

  Runner& runner_;
  const Outcome& failing_;
  std::uint64_t seed_;
  const SameFailure& same_;
  const ExplainSpec& spec_;
  Explanation result_;
};

}  // namespace

Explanation explain(Runner& runner, const Outcome& failing, std::uint64_t seed,
                    const SameFailure& same, const ExplainSpec& spec) {
  return Explainer(runner, failing, seed, same, spec).run();
}

}  // namespace detent::explore

#include "explore/shrink.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace detent::explore {
namespace {

Deviations without(const Deviations& list, std::size_t begin, std::size_t count) {
  Deviations rest(list.begin(), list.begin() + static_cast<std::ptrdiff_t>(begin));
  const std::size_t end = std::min(begin + count, list.size());
  rest.insert(rest.end(), list.begin() + static_cast<std::ptrdiff_t>(end), list.end());
  return rest;
}

// The list with all from `at` on moved by `by` choices, as far as that is possible.
Deviations moved(Deviations list, std::size_t at, int by) {
  for (std::size_t i = at; i < list.size(); ++i) {
    const std::int64_t index = std::int64_t{list[i].index} + by;
    const std::int64_t lowest = i == 0 ? 0 : std::int64_t{list[i - 1].index} + 1;
    list[i].index = static_cast<std::uint32_t>(std::max(index, lowest));
  }
  return list;
}

class Shrinker {
 public:
  Shrinker(Runner& runner, std::string strategy, std::uint64_t seed, const SameFailure& same,
           std::uint32_t max_replays)
      : runner_(runner),
        strategy_(std::move(strategy)),
        seed_(seed),
        same_(same),
        left_(max_replays) {}

  bool reproduces(const Deviations& list) { return first_that_fails({list}).has_value(); }

  void cut_tail() {
    // The failure needs a prefix: what lies behind it goes at once.
    std::size_t low = 0;
    std::size_t high = list_.size();
    while (low < high && left_ > 0) {
      const std::size_t middle = (low + high) / 2;
      const Deviations prefix(list_.begin(), list_.begin() + static_cast<std::ptrdiff_t>(middle));
      if (first_that_fails({prefix})) {
        high = std::min(middle, list_.size());
      } else {
        low = middle + 1;
      }
    }
  }

  // One pass with pieces of `size`, from the back. True if something could be left out.
  bool leave_out(std::size_t size) {
    bool any = false;
    std::size_t end = list_.size();
    while (end > 0 && left_ > 0) {
      std::vector<Deviations> candidates;
      std::vector<std::size_t> begins;
      for (std::size_t at = end; at > 0 && candidates.size() < kBatch;) {
        at = at > size ? at - size : 0;
        begins.push_back(at);
        candidates.push_back(without(list_, at, size));
      }
      const std::optional<std::size_t> found = first_that_fails(candidates);
      end = begins[found.value_or(begins.size() - 1)];
      end = std::min(end, list_.size());
      any = any || found.has_value();
    }
    return any;
  }

  void run() {
    cut_tail();
    for (std::size_t size = std::max<std::size_t>(list_.size() / 2, 1); left_ > 0;) {
      const bool any = leave_out(size);
      if (size == 1 && !any) {
        minimal_ = left_ > 0 || list_.empty();
        return;
      }
      if (size > 1) size = std::max<std::size_t>(std::min(size, list_.size()) / 2, 1);
    }
  }

  // What is left out moves the choices behind it, often by a few. True if one could go with such a move.
  bool leave_out_and_move() {
    for (std::size_t at = list_.size(); at-- > 0 && left_ > 0;) {
      std::vector<Deviations> candidates;
      for (const int by : {-2, -1, 1, 2, -3, 3, -4, 4}) {
        candidates.push_back(moved(without(list_, at, 1), at, by));
      }
      if (first_that_fails(candidates)) return true;
    }
    return false;
  }

  void run_with_moves() {
    for (run(); minimal_ && !list_.empty() && list_.size() <= kMostToMove;) {
      if (!leave_out_and_move()) return;
      run();
    }
  }

  Deviations list_;
  Outcome outcome_;
  bool minimal_ = false;
  [[nodiscard]] std::uint32_t left() const { return left_; }

 private:
  // A fixed number side by side, so that the result is the same with any number of workers.
  static constexpr std::size_t kBatch = 4;
  // Longer lists would take too many replays.
  static constexpr std::size_t kMostToMove = 12;

  std::optional<std::size_t> first_that_fails(std::vector<Deviations> candidates) {
    candidates.resize(std::min<std::size_t>(candidates.size(), left_));
    std::vector<Request> requests;
    for (Deviations& candidate : candidates) {
      requests.push_back({{strategy_, seed_, candidate}, true, true});
    }
    left_ -= static_cast<std::uint32_t>(candidates.size());
    std::vector<Outcome> outcomes = run_all(runner_, requests);
    for (std::size_t i = 0; i < outcomes.size(); ++i) {
      if (!same_(outcomes[i])) continue;
      outcome_ = std::move(outcomes[i]);
      list_ = std::move(candidates[i]);
      // Those that met no choice to answer are gone from what the run says of itself.
      const Deviations& taken = outcome_.deviations;
      if (!outcome_.trace_hash.empty() && taken.size() < list_.size()) list_ = taken;
      return i;
    }
    return std::nullopt;
  }

  Runner& runner_;
  std::string strategy_;
  std::uint64_t seed_;
  const SameFailure& same_;
  std::uint32_t left_;
};

}  // namespace

Shrunk shrink(Runner& runner, const Outcome& failing, std::uint64_t seed, const SameFailure& same,
              std::uint32_t max_replays) {
  Shrinker shrinker(runner, failing.replay, seed, same, max_replays);
  Shrunk result;
  result.deviations_before = failing.deviations.size();
  result.reproduced = shrinker.reproduces(failing.deviations);
  if (result.reproduced) shrinker.run_with_moves();
  result.replays = max_replays - shrinker.left();
  result.minimal = shrinker.minimal_;
  result.plan = {failing.replay, seed, result.reproduced ? shrinker.list_ : failing.deviations};
  result.outcome = result.reproduced ? std::move(shrinker.outcome_) : failing;
  return result;
}

}  // namespace detent::explore

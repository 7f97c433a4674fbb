#include "explore/shrink.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "explore/seeds.h"

namespace detent::explore {
namespace {

Deviations without(const Deviations& list, std::size_t begin, std::size_t count) {
  Deviations rest(list.begin(), list.begin() + static_cast<std::ptrdiff_t>(begin));
  const std::size_t end = std::min(begin + count, list.size());
  rest.insert(rest.end(), list.begin() + static_cast<std::ptrdiff_t>(end), list.end());
  return rest;
}

Deviations with(Deviations list, const Deviation& one) {
  list.insert(std::ranges::upper_bound(list, one), one);
  return list;
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

  // What is left out moves the choices behind it, often by a few. True if `count` in a row could go with
  // such a move.
  bool leave_out_and_move(std::size_t count) {
    for (std::size_t at = list_.size(); at-- > 0 && left_ > 0;) {
      if (at + count > list_.size()) continue;
      std::vector<Deviations> candidates;
      if (count > 1) candidates.push_back(without(list_, at, count));
      for (const int by : {-2, -1, 1, 2, -3, 3, -4, 4}) {
        candidates.push_back(moved(without(list_, at, count), at, by));
      }
      if (first_that_fails(candidates)) return true;
    }
    return false;
  }

  // Two that follow each other may do what one in their place does, with another option perhaps.
  bool merge() {
    for (std::size_t at = list_.size(); at-- > 1 && left_ > 0;) {
      std::vector<Deviations> candidates;
      const Deviations rest = without(list_, at - 1, 2);
      for (const Deviation& place : {list_[at - 1], list_[at]}) {
        for (const std::uint32_t option : {1U, 2U, 3U}) {
          if (option != place.option) candidates.push_back(with(rest, {place.index, option}));
        }
      }
      if (first_that_fails(candidates)) return true;
    }
    return false;
  }

  void run_with_moves() {
    for (run(); minimal_ && list_.size() > 1 && list_.size() <= kMostToMove;) {
      const bool more = list_.size() > kSmall;
      const bool any = leave_out_and_move(1) || (more && (leave_out_and_move(2) || merge()));
      if (!any) return;
      run();
    }
  }

  // The same failure may be reached by fewer deviations from elsewhere: other schedules are drawn, and the
  // smallest of them that fails is shrunk in its turn.
  void try_others() {
    for (std::uint32_t round = 0; list_.size() > kSmall && round < kRounds && left_ > 0; ++round) {
      std::optional<Outcome> smallest = draw_others(round);
      if (!smallest) continue;
      Deviations list = std::exchange(list_, std::move(smallest->deviations));
      Outcome outcome = std::exchange(outcome_, std::move(*smallest));
      const bool minimal = std::exchange(minimal_, false);
      if (reproduces(Deviations(list_))) {
        run_with_moves();
        if (list_.size() < list.size()) continue;
      }
      list_ = std::move(list);
      outcome_ = std::move(outcome);
      minimal_ = minimal;
    }
  }

  Deviations list_;
  Outcome outcome_;
  bool minimal_ = false;
  [[nodiscard]] std::uint32_t left() const { return left_; }

 private:
  // Few enough for a person.
  static constexpr std::size_t kSmall = 5;
  // A fixed number side by side, so that the result is the same with any number of workers.
  static constexpr std::size_t kBatch = 4;
  static constexpr std::uint32_t kRounds = 4;
  static constexpr std::uint32_t kDrawn = 32;  // schedules a round
  // Longer lists would take too many replays.
  static constexpr std::size_t kMostToMove = 32;

  std::optional<Outcome> draw_others(std::uint32_t round) {
    static constexpr std::array<const char*, 4> kStrategies = {"pct:2", "random", "pct:3",
                                                               "starve"};
    std::vector<Request> requests;
    for (std::uint32_t i = 0; i < std::min(kDrawn, left_); ++i) {
      const std::uint64_t seed = schedule_seed(seed_, kDrawn * round + i);
      requests.push_back({{kStrategies[i % kStrategies.size()], seed, {}}, true, true});
    }
    left_ -= static_cast<std::uint32_t>(requests.size());
    std::optional<Outcome> smallest;
    for (Outcome& outcome : run_all(runner_, requests)) {
      if (!same_(outcome) || outcome.trace_hash.empty()) continue;
      const bool smaller = !smallest || outcome.deviations.size() < smallest->deviations.size();
      if (smaller) smallest = std::move(outcome);
    }
    return smallest;
  }

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
  if (result.reproduced) {
    shrinker.run_with_moves();
    shrinker.try_others();
  }
  result.replays = max_replays - shrinker.left();
  result.minimal = shrinker.minimal_;
  result.plan = {failing.replay, seed, result.reproduced ? shrinker.list_ : failing.deviations};
  result.outcome = result.reproduced ? std::move(shrinker.outcome_) : failing;
  return result;
}

}  // namespace detent::explore

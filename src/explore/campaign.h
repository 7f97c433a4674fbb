// Campaign: the loop that runs schedules of one program until there are enough. What it finds depends on
// the spec only, not on how many workers there are or which is quicker: outcomes are taken in the order of
// their schedules.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "explore/criteria.h"
#include "explore/estimate.h"
#include "explore/failure.h"
#include "explore/portfolio.h"
#include "explore/runner.h"
#include "explore/seeds.h"

namespace detent::explore {

struct CampaignSpec {
  static constexpr std::uint64_t kNoLimit = std::numeric_limits<std::uint64_t>::max();
  std::string strategy = "auto";
  std::uint64_t master = 0;
  std::uint64_t schedules = kNoLimit;  ///< of all shards together
  Shard shard;
  std::int64_t time_budget_ns = 0;  ///< of host time; 0: none
  bool until_failure = false;
  std::shared_ptr<const RunProfile> profile{};  ///< for the strategies; may be null
};

/// A plan that was run twice and did not come out the same.
struct Mismatch {
  std::uint64_t index = 0;
  Plan plan;
  std::string first, second;  ///< trace hash and verdict of each
};

enum class Stop : std::uint8_t { kDone, kFailure, kTimeBudget, kInterrupted, kBroken };

struct CampaignResult {
  std::uint64_t schedules = 0;
  std::uint64_t failing = 0;  ///< schedules that failed
  TraceCounts traces;
  std::vector<Failure> failures;  ///< by the index of their first
  std::vector<Mismatch> mismatches;
  std::uint64_t broken = 0;  ///< runs that detent itself spoiled
  std::string complaint;     ///< of the first of those
  Stop stop = Stop::kDone;
};

struct Progress {
  std::uint64_t schedules = 0;
  std::uint64_t failing = 0;
  std::uint64_t kinds = 0;  ///< of failures
  std::uint64_t distinct = 0;
  double chance_of_new = 1;
  std::int64_t elapsed_ns = 0;
};

struct CampaignHooks {
  KnowsStrategy knows;                            ///< required
  std::function<std::int64_t()> now_ns;           ///< host time, required
  KeyOf key = plain_key;                          ///< names failing runs
  std::function<void(const Progress&)> progress;  ///< after every schedule
};

/// The plan of schedule `index`.
Plan plan_of(const CampaignSpec& spec, std::uint64_t index, const KnowsStrategy& knows);

CampaignResult run_campaign(Runner& runner, const CampaignSpec& spec, const Criteria& criteria,
                            const CampaignHooks& hooks);

}  // namespace detent::explore

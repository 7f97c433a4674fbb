#include "explore/campaign.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

namespace detent::explore {
namespace {

std::string summary(const Outcome& outcome) {
  return fmt::format("{}, trace {}", describe(outcome),
                     outcome.trace_hash.empty() ? "unknown" : outcome.trace_hash);
}

// One schedule that was started and is not counted yet.
struct Pending {
  Plan plan;
  bool twice = false;
  std::optional<Outcome> outcomes[2];
  bool interrupted = false;
  [[nodiscard]] bool complete() const { return outcomes[0] && (!twice || outcomes[1]); }
};

class Campaign {
 public:
  Campaign(Runner& runner, const CampaignSpec& spec, const Criteria& criteria,
           const CampaignHooks& hooks)
      : runner_(runner), spec_(spec), criteria_(criteria), hooks_(hooks) {}

  CampaignResult run() {
    started_at_ = hooks_.now_ns();
    share_ = spec_.shard.share_of(spec_.schedules);
    for (;;) {
      if (under_way_ < runner_.capacity() && start_next()) continue;
      if (under_way_ == 0) break;
      take(runner_.wait());
      count_in_order();
    }
    return std::move(result_);
  }

 private:
  // Tickets are 2k for the first run of this shard's k-th schedule, 2k+1 for its repetition.
  bool start_next() {
    if (repeat_) {
      start_run(*std::exchange(repeat_, std::nullopt), 1);
      return true;
    }
    if (!may_start()) return false;
    const std::uint64_t k = next_++;
    const std::uint64_t index = spec_.shard.index(k);
    Pending& pending = pending_[k];
    pending.plan = plan_of(spec_, index, hooks_.knows);
    pending.twice = is_rechecked(spec_.master, index);
    if (pending.twice) repeat_ = k;
    start_run(k, 0);
    return true;
  }

  void start_run(std::uint64_t k, unsigned which) {
    ++under_way_;
    runner_.start(2 * k + which,
                  {pending_[k].plan, criteria_.needs_output(), true, false, spec_.profile});
  }

  bool may_start() {
    if (next_ >= share_ || ended_) return false;
    if (runner_.stopping()) {
      end(Stop::kInterrupted);
    } else if (spec_.time_budget_ns > 0 && hooks_.now_ns() - started_at_ >= spec_.time_budget_ns) {
      end(Stop::kTimeBudget);
    }
    return !ended_;
  }

  void end(Stop why) {
    if (ended_) return;
    ended_ = true;
    result_.stop = why;
  }

  void take(Finished done) {
    --under_way_;
    const std::uint64_t k = done.ticket / 2;
    const auto found = pending_.find(k);
    if (found == pending_.end()) return;
    if (done.interrupted) {
      found->second.interrupted = true;
      end(Stop::kInterrupted);
      return;
    }
    Outcome& outcome = done.outcome;
    const bool fails = criteria_.fails(outcome);
    if (fails && spec_.until_failure) no_more_ = true;
    if (!fails && outcome.verdict != Verdict::kBroken) {
      // Most runs end here; what only reports need would fill the memory.
      outcome.report = outcome.output = outcome.errors = {};
      outcome.deviations = {};
    }
    found->second.outcomes[done.ticket % 2] = std::move(outcome);
    if (no_more_) share_ = std::min(share_, next_);
  }

  void count_in_order() {
    for (auto first = pending_.begin(); first != pending_.end(); first = pending_.begin()) {
      if (first->first != counted_ || !first->second.complete() || done_counting_) break;
      count(spec_.shard.index(first->first), first->second);
      ++counted_;
      pending_.erase(first);
    }
    if (done_counting_) pending_.clear();
  }

  void count(std::uint64_t index, Pending& pending) {
    Outcome& outcome = *pending.outcomes[0];
    ++result_.schedules;
    const std::uint64_t seen = ++result_.traces[outcome.trace_hash];
    if (seen <= 2) seen_once_ += seen == 1 ? 1 : -1;
    if (outcome.verdict == Verdict::kBroken) {
      note_broken(outcome);
    } else if (pending.twice && !same_run(outcome, *pending.outcomes[1])) {
      result_.mismatches.push_back(
          {index, pending.plan, summary(outcome), summary(*pending.outcomes[1])});
    }
    const std::string why = criteria_.why_failed(outcome);
    if (!why.empty()) note_failure(index, pending.plan, std::move(outcome), why);
    tell_progress();
  }

  void note_broken(const Outcome& outcome) {
    if (result_.broken++ == 0) result_.complaint = outcome.complaint;
    // Nothing else will come out of it if not even the first schedule runs.
    if (result_.schedules == 1) {
      end(Stop::kBroken);
      done_counting_ = true;
    }
  }

  void note_failure(std::uint64_t index, const Plan& plan, Outcome outcome,
                    const std::string& why) {
    ++result_.failing;
    const std::string key = hooks_.key(outcome, why);
    const auto known = std::ranges::find(result_.failures, key, &Failure::key);
    if (known != result_.failures.end()) {
      ++known->count;
    } else {
      Failure failure;
      failure.key = key;
      failure.why = why;
      failure.index = index;
      failure.count = 1;
      failure.plan = plan;
      failure.outcome = std::move(outcome);
      result_.failures.push_back(std::move(failure));
    }
    if (spec_.until_failure) {
      end(Stop::kFailure);
      done_counting_ = true;
    }
  }

  void tell_progress() const {
    if (!hooks_.progress) return;
    hooks_.progress({result_.schedules, result_.failing, result_.failures.size(),
                     result_.traces.size(), chance_of_new(seen_once_, result_.schedules),
                     hooks_.now_ns() - started_at_});
  }

  Runner& runner_;
  const CampaignSpec& spec_;
  const Criteria& criteria_;
  const CampaignHooks& hooks_;
  CampaignResult result_;
  std::map<std::uint64_t, Pending> pending_;
  std::optional<std::uint64_t> repeat_;
  std::int64_t started_at_ = 0;
  std::uint64_t share_ = 0;
  std::uint64_t next_ = 0;
  std::uint64_t counted_ = 0;
  std::uint64_t seen_once_ = 0;
  int under_way_ = 0;
  bool ended_ = false;          // no new schedule is started
  bool no_more_ = false;        // one has failed, and one was asked for: none behind it matters
  bool done_counting_ = false;  // what is still under way is let go
};

}  // namespace

Plan plan_of(const CampaignSpec& spec, std::uint64_t index, const KnowsStrategy& knows) {
  Plan plan;
  plan.seed = schedule_seed(spec.master, index);
  plan.strategy = strategy_for(spec.strategy, index, plan.seed, knows);
  return plan;
}

CampaignResult run_campaign(Runner& runner, const CampaignSpec& spec, const Criteria& criteria,
                            const CampaignHooks& hooks) {
  return Campaign(runner, spec, criteria, hooks).run();
}

}  // namespace detent::explore

#include "explore/campaign.h"

#include <catch2/catch.hpp>

#include "explore/fake_runner.h"
#include "explore/reports.h"
#include "explore/results.h"

namespace detent::explore {
namespace {

CampaignHooks hooks() {
  CampaignHooks result;
  result.knows = [](const std::string&) { return true; };
  result.now_ns = [] { return 0; };
  return result;
}

CampaignSpec spec(std::uint64_t schedules) {
  CampaignSpec result;
  result.schedules = schedules;
  result.master = 7;
  return result;
}

Results explore(FakeRunner& runner, const CampaignSpec& wanted) {
  const Criteria criteria;
  return {{"./prog", "an argument"}, wanted, run_campaign(runner, wanted, criteria, hooks())};
}

const Deviations kBug = {{3, 1}, {20, 2}};

}  // namespace

TEST_CASE("a campaign finds what fails, whatever the workers are like", "[explore]") {
  FakeRunner one(kBug);
  const Results alone = explore(one, spec(500));
  CHECK(alone.found.schedules == 500);
  REQUIRE(alone.found.failures.size() == 1);
  CHECK(alone.found.failures[0].count == alone.found.failing);
  CHECK(alone.found.failures[0].why == "signal 6 (SIGABRT)");
  CHECK(alone.found.failing > 20);  // one in nine of about 468 with random answers
  CHECK(exit_status(alone) == kExitBug);
  FakeRunner seven(kBug, 7, true);
  CHECK(to_json(explore(seven, spec(500))) == to_json(alone));
  CHECK(seven.most_under_way() == 7);
}

TEST_CASE("the first schedule is fifo and fails by itself only if the program always does",
          "[explore]") {
  FakeRunner runner({});
  const Results results = explore(runner, spec(3));
  CHECK(results.found.failing == 3);
  CHECK(results.found.failures[0].index == 0);
  CHECK(results.found.failures[0].plan.strategy == "fifo");
}

TEST_CASE("until failure: the first by number, not by time", "[explore]") {
  CampaignSpec until = spec(CampaignSpec::kNoLimit);
  until.until_failure = true;
  FakeRunner one(kBug);
  const Results alone = explore(one, until);
  REQUIRE(alone.found.failures.size() == 1);
  CHECK(alone.found.stop == Stop::kFailure);
  CHECK(alone.found.schedules == alone.found.failures[0].index + 1);
  FakeRunner five(kBug, 5, true);
  CHECK(to_json(explore(five, until)) == to_json(alone));
}

TEST_CASE("a clean campaign", "[explore]") {
  FakeRunner runner({{1000, 1}});
  const Results results = explore(runner, spec(300));
  CHECK(results.found.failures.empty());
  CHECK(results.found.stop == Stop::kDone);
  CHECK(exit_status(results) == kExitClean);
  // The repetitions are not counted as schedules.
  std::uint64_t repeated = 0;
  for (std::uint64_t i = 0; i < 300; ++i) repeated += is_rechecked(7, i);
  CHECK(repeated >= 1);
  CHECK(runner.runs == 300 + repeated);
}

TEST_CASE("a program that is not repeatable is told of", "[explore]") {
  FakeRunner runner({{1000, 1}});
  std::uint64_t run = 0;
  runner.touch_up = [&](const Plan&, Outcome& outcome) {
    outcome.trace_hash = std::to_string(run++);
  };
  const Results results = explore(runner, spec(5));
  REQUIRE(results.found.mismatches.size() == 1);
  CHECK(results.found.mismatches[0].index == 0);
  CHECK(exit_status(results) == kExitDivergence);
  CHECK(terminal_report(results).find("NOT REPEATABLE") != std::string::npos);
}

TEST_CASE("what cannot run at all ends the campaign at once", "[explore]") {
  FakeRunner runner({});
  runner.touch_up = [](const Plan&, Outcome& outcome) {
    outcome.verdict = Verdict::kBroken;
    outcome.complaint = "no such file";
  };
  const Results results = explore(runner, spec(1000));
  CHECK(results.found.stop == Stop::kBroken);
  CHECK(runner.runs <= 2);
  CHECK(exit_status(results) == kExitUnsupported);
  CHECK(terminal_report(results) == "cannot explore: no such file\n");
}

TEST_CASE("the time budget and the user end a campaign", "[explore]") {
  FakeRunner runner({{1000, 1}});
  CampaignSpec budget = spec(1000);
  budget.time_budget_ns = 50;
  std::int64_t now = 0;
  CampaignHooks ticking = hooks();
  ticking.now_ns = [&now] { return now += 1; };
  const Criteria criteria;
  const Results late{{"p"}, budget, run_campaign(runner, budget, criteria, ticking)};
  CHECK(late.found.stop == Stop::kTimeBudget);
  CHECK(late.found.schedules < 60);
  CHECK(exit_status(late) == kExitTimeBudget);
  FakeRunner stopped({{1000, 1}}, 3);
  stopped.stop_after = 20;
  const Results interrupted = explore(stopped, spec(1000));
  CHECK(interrupted.found.stop == Stop::kInterrupted);
  CHECK(interrupted.found.schedules <= 20);
  CHECK(exit_status(interrupted) == kExitInterrupted);
}

TEST_CASE("shards together are one process, byte for byte", "[explore]") {
  FakeRunner one(kBug);
  const Results alone = explore(one, spec(400));
  for (const std::uint64_t count : {1, 2, 3, 16}) {
    std::vector<Results> shards;
    for (std::uint64_t number = count; number-- > 0;) {
      CampaignSpec part = spec(400);
      part.shard = {number, count};
      FakeRunner runner(kBug, 2);
      std::string problem;
      // Through the file, as it is.
      const auto read = from_json(to_json(explore(runner, part)), problem);
      REQUIRE(problem.empty());
      shards.push_back(*read);
    }
    std::string problem;
    const auto merged = merge(shards, problem);
    REQUIRE(merged);
    CHECK(to_json(*merged) == to_json(alone));
    CHECK(junit_report(*merged) == junit_report(alone));
    CHECK(terminal_report(*merged) == terminal_report(alone));
  }
}

TEST_CASE("shards that do not fit are refused", "[explore]") {
  std::vector<Results> shards;
  for (const std::uint64_t number : {0, 1}) {
    CampaignSpec part = spec(10);
    part.shard = {number, 2};
    FakeRunner runner(kBug);
    shards.push_back(explore(runner, part));
  }
  const auto refusal = [](const std::vector<Results>& list) {
    std::string problem;
    CHECK(!merge(list, problem));
    return problem;
  };
  CHECK(refusal({}) == "shard 0 is missing");
  CHECK(refusal({shards[0]}) == "shard 1 is missing");
  CHECK(refusal({shards[1]}) == "shard 0 is missing");
  CHECK(refusal({shards[0], shards[0]}) == "shard 0 is there twice");
  shards[1].spec.master = 8;
  CHECK(refusal(shards).starts_with("these are not shards of one campaign"));
}

TEST_CASE("damaged results are refused, never trusted", "[explore]") {
  FakeRunner runner(kBug);
  const std::string text = to_json(explore(runner, spec(50)));
  std::string problem;
  REQUIRE(from_json(text, problem));
  for (std::size_t length = 0; length + 2 < text.size(); length += 97) {
    CHECK(!from_json(text.substr(0, length), problem));
  }
  for (const char* field : {"\"shard\"", "\"traces\"", "\"failures\"", "\"seed\"", "\"count\""}) {
    std::string changed = text;
    changed.replace(changed.find(field) + 1, 1, "X");
    CHECK(!from_json(changed, problem));
    CHECK(problem.starts_with("not the results of detent explore"));
  }
}

}  // namespace detent::explore

#include "explore/seeds.h"

#include <catch2/catch.hpp>
#include <map>
#include <set>

#include "explore/portfolio.h"
#include "explore/shard_env.h"

namespace detent::explore {

TEST_CASE("seeds of schedules", "[explore]") {
  // Strings that people keep must go on meaning the same: these are pinned.
  CHECK(schedule_seed(0, 0) == 0xa706dd2f4d197e6f);
  CHECK(schedule_seed(1, 2) == 0xb95f66d327e8d78);
  std::set<std::uint64_t> seen;
  for (std::uint64_t master = 0; master < 20; ++master) {
    for (std::uint64_t i = 0; i < 1000; ++i) seen.insert(schedule_seed(master, i));
  }
  CHECK(seen.size() == 20 * 1000);
}

TEST_CASE("about one schedule in a hundred is run twice", "[explore]") {
  std::uint64_t twice = 0;
  for (std::uint64_t i = 0; i < 100'000; ++i) twice += is_rechecked(1, i);
  CHECK(twice > 850);
  CHECK(twice < 1150);
  CHECK(is_rechecked(12345, 0));
}

TEST_CASE("shards share the schedules out without rest", "[explore]") {
  for (const std::uint64_t n : {0, 1, 5, 16, 17}) {
    std::set<std::uint64_t> all;
    for (std::uint64_t s = 0; s < 5; ++s) {
      const Shard shard{s, 5};
      for (std::uint64_t k = 0; k < shard.share_of(n); ++k) all.insert(shard.index(k));
      CHECK(shard.index(shard.share_of(n)) >= n);
    }
    CHECK(all.size() == n);
  }
  CHECK(Shard{}.share_of(~0ULL) == ~0ULL);
}

TEST_CASE("a shard as text", "[explore]") {
  Shard shard;
  REQUIRE(parse_shard("2/5", shard));
  CHECK(shard == Shard{2, 5});
  for (const char* text : {"", "2", "5/5", "-1/5", "2/0", "2/5x", "2 / 5", "/", "1/"}) {
    INFO(text);
    CHECK(!parse_shard(text, shard));
  }
}

TEST_CASE("the portfolio deals strategies out in its shares", "[explore]") {
  const KnowsStrategy all = [](const std::string&) { return true; };
  CHECK(strategy_for("auto", 0, 5, all) == "fifo");
  CHECK(strategy_for("pos", 0, 5, all) == "fifo");
  CHECK(strategy_for("pos", 1, 5, all) == "pos");
  std::map<std::string, int> dealt;
  for (std::uint64_t seed = 0; seed < 64; ++seed) ++dealt[strategy_for("auto+calls", 1, seed, all)];
  CHECK(dealt["surw"] == 24);
  CHECK(dealt["pos"] == 16);
  CHECK(dealt["starve"] == 4);
  CHECK(dealt["random"] == 4);
  for (const char* name : {"pct:2", "pct:3", "pct:5", "pct:10"}) CHECK(dealt[name] == 2);
  CHECK(dealt["period:1"] + dealt["period:2"] + dealt["period:3"] == 8);
}

TEST_CASE("half of the schedules of auto preempt at atomic instructions", "[explore]") {
  const KnowsStrategy all = [](const std::string&) { return true; };
  int at_atomics = 0;
  for (std::uint64_t index = 1; index <= 1000; ++index) {
    const std::uint64_t seed = schedule_seed(0, index);
    const std::string name = strategy_for("auto", index, seed, all);
    at_atomics += name.ends_with("+atomics") ? 1 : 0;
    const std::string plain = name.substr(0, name.find('+'));
    CHECK(strategy_for("auto+calls", index, seed, all) == plain);
    CHECK(strategy_for("auto+atomics", index, seed, all) == plain + "+atomics");
  }
  CHECK((at_atomics > 400 && at_atomics < 600));
}

TEST_CASE("a strategy that is not known is replaced", "[explore]") {
  const KnowsStrategy pct = [](const std::string& name) { return name.starts_with("pct"); };
  const KnowsStrategy none = [](const std::string&) { return false; };
  CHECK(strategy_for("auto", 1, 0, pct) == "pct:3");
  CHECK(strategy_for("auto", 1, 0, none) == "random");
}

TEST_CASE("shards as continuous integration tells them", "[explore]") {
  const auto found = [](std::map<std::string, std::string> variables) {
    std::string problem;
    const auto shard = find_shard(
        [&](const char* name) -> const char* {
          const auto at = variables.find(name);
          return at == variables.end() ? nullptr : at->second.c_str();
        },
        problem);
    if (!shard) return problem.empty() ? std::string("none") : problem;
    return shard->source + " " + std::to_string(shard->shard.number) + "/" +
           std::to_string(shard->shard.count);
  };
  CHECK(found({}) == "none");
  CHECK(found({{"TEST_SHARD_INDEX", "1"}, {"TEST_TOTAL_SHARDS", "4"}}) == "TEST_SHARD_INDEX 1/4");
  CHECK(found({{"GTEST_SHARD_INDEX", "0"}, {"GTEST_TOTAL_SHARDS", "2"}}) ==
        "GTEST_SHARD_INDEX 0/2");
  CHECK(found({{"CI_NODE_INDEX", "1"}, {"CI_NODE_TOTAL", "3"}}) == "CI_NODE_INDEX 0/3");
  CHECK(found({{"CI_NODE_INDEX", "3"}, {"CI_NODE_TOTAL", "3"}}) == "CI_NODE_INDEX 2/3");
  CHECK(found({{"CIRCLE_NODE_INDEX", "2"}, {"CIRCLE_NODE_TOTAL", "3"}}) == "CIRCLE_NODE_INDEX 2/3");
  CHECK(found({{"BUILDKITE_PARALLEL_JOB", "2"}, {"BUILDKITE_PARALLEL_JOB_COUNT", "3"}}) ==
        "BUILDKITE_PARALLEL_JOB 2/3");
  CHECK(found({{"AWS_BATCH_JOB_ARRAY_INDEX", "9"}, {"AWS_BATCH_JOB_ARRAY_SIZE", "10"}}) ==
        "AWS_BATCH_JOB_ARRAY_INDEX 9/10");
  CHECK(found({{"CLOUD_RUN_TASK_INDEX", "9"}, {"CLOUD_RUN_TASK_COUNT", "10"}}) ==
        "CLOUD_RUN_TASK_INDEX 9/10");
  CHECK(found({{"JOB_COMPLETION_INDEX", "3"}, {"DETENT_SHARDS", "8"}}) ==
        "JOB_COMPLETION_INDEX 3/8");
  CHECK(found({{"SLURM_ARRAY_TASK_ID", "14"},
               {"SLURM_ARRAY_TASK_COUNT", "4"},
               {"SLURM_ARRAY_TASK_MIN", "10"},
               {"SLURM_ARRAY_TASK_STEP", "2"}}) == "SLURM_ARRAY_TASK_ID 2/4");
  CHECK(found({{"JOB_COMPLETION_INDEX", "3"}}).starts_with("JOB_COMPLETION_INDEX is set"));
  CHECK(found({{"TEST_SHARD_INDEX", "4"}, {"TEST_TOTAL_SHARDS", "4"}})
            .starts_with("TEST_SHARD_INDEX is set"));
  CHECK(
      found({{"CI_NODE_INDEX", "0"}, {"CI_NODE_TOTAL", "4"}}).starts_with("CI_NODE_INDEX is set"));
}

}  // namespace detent::explore

#include "explore/reports.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

namespace detent::explore {
namespace {

Results with_failures(int count) {
  Results results;
  results.program = {"./my prog", "it's", "<&>"};
  results.spec.schedules = 100;
  results.found.schedules = 100;
  for (int i = 0; i < count; ++i) {
    Failure failure;
    failure.key = "k" + std::to_string(i);
    failure.why = "exit status 1";
    failure.index = static_cast<std::uint64_t>(i);
    failure.count = 1;
    failure.plan = {"pos", 42, {}};
    failure.outcome.verdict = Verdict::kExit;
    failure.outcome.status = 1;
    failure.outcome.schedule = "x1abc";
    failure.story = "  50% of\n  \x01\xff<b>\n";
    failure.file = "src/a:b.c";
    failure.line = 12;
    results.found.failures.push_back(failure);
    ++results.found.failing;
  }
  return results;
}

}  // namespace

TEST_CASE("the line to paste is one that a shell takes as it is meant", "[explore]") {
  const Results results = with_failures(1);
  CHECK(replay_line(results.found.failures[0], results.program) ==
        "detent replay 'x1abc' -- './my prog' 'it'\\''s' '<&>'");
  CHECK(terminal_report(results).find("replay: detent replay 'x1abc' -- ") != std::string::npos);
  Failure silent = results.found.failures[0];
  silent.outcome.schedule.clear();
  CHECK(replay_line(silent, {"p"}) == "detent run --time=virtual --strategy=pos --seed=42 -- p");
}

TEST_CASE("JUnit XML holds no character that XML forbids", "[explore]") {
  const std::string text = junit_report(with_failures(2));
  CHECK(text.find("tests=\"3\" failures=\"2\"") != std::string::npos);
  CHECK(text.find('\x01') == std::string::npos);
  CHECK(text.find('\xff') == std::string::npos);
  CHECK(text.find("<b>") == std::string::npos);
  CHECK(text.find("??&lt;b&gt;") != std::string::npos);
}

TEST_CASE("GitHub gets one line a failure, and no more than it shows", "[explore]") {
  const std::string text = github_report(with_failures(1));
  CHECK(text.starts_with("::error file=src/a%3Ab.c,line=12,title=my prog%3A exit status 1::"));
  CHECK(text.find("50%25 of%0A") != std::string::npos);
  CHECK(std::ranges::count(text, '\n') == 1);
  const std::string many = github_report(with_failures(30));
  CHECK(std::ranges::count(many, '\n') == 10);
  CHECK(many.find("21 more kinds of failure") != std::string::npos);
  CHECK(github_report(with_failures(0)).empty());
}

TEST_CASE("SARIF", "[explore]") {
  const auto json = nlohmann::json::parse(sarif_report(with_failures(2)));
  CHECK(json["version"] == "2.1.0");
  const auto& run = json["runs"][0];
  CHECK(run["tool"]["driver"]["rules"].size() == 1);
  REQUIRE(run["results"].size() == 2);
  CHECK(run["results"][0]["ruleId"] == "exit");
  const auto& place = run["results"][0]["locations"][0]["physicalLocation"];
  CHECK(place["artifactLocation"]["uri"] == "src/a:b.c");
  CHECK(place["region"]["startLine"] == 12);
}

TEST_CASE("exit codes", "[explore]") {
  Results results;
  CHECK(exit_status(results) == kExitClean);
  results.found.stop = Stop::kTimeBudget;
  CHECK(exit_status(results) == kExitClean);  // no number was asked for
  results.spec.schedules = 10;
  CHECK(exit_status(results) == kExitTimeBudget);
  results.found.mismatches.emplace_back();
  CHECK(exit_status(results) == kExitDivergence);
  results.found.failures.emplace_back();
  CHECK(exit_status(results) == kExitBug);
}

TEST_CASE("the estimate of what is left", "[explore]") {
  CHECK(chance_of_new(0, 0) == 1);
  CHECK(chance_of_new(5, 100) == 0.05);
  CHECK(failing_share_bound(300) == 0.01);
  CHECK(failing_share_bound(1) == 1);
}

TEST_CASE("a report of a run that a guest has scribbled on is refused", "[explore]") {
  const std::string good =
      R"({"version":1,"verdict":"signal","signal":6,"trace_hash":"ab","choices":9,)"
      R"("deviations":[[1,2],["x"],3,[4,1,7]],"schedule":"x1"})";
  Outcome outcome;
  REQUIRE(read_report(good, outcome));
  CHECK(outcome.verdict == Verdict::kSignal);
  CHECK(outcome.deviations == Deviations{{1, 2}, {4, 1}});
  CHECK(outcome.trace_hash == "ab");
  for (const std::string& bad :
       {std::string(), std::string("[]"), std::string(R"({"version":2,"verdict":"ok"})"),
        std::string(R"({"version":1,"verdict":"fine"})"), std::string(R"({"version":1})"),
        good.substr(0, good.size() - 1), std::string(100, '['), std::string(5000, '{')}) {
    Outcome untouched;
    CHECK(!read_report(bad, untouched));
    CHECK(untouched.verdict == Verdict::kBroken);
  }
}

}  // namespace detent::explore

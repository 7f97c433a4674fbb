#include "explore/shrink.h"

#include <catch2/catch.hpp>

#include "explore/explain.h"
#include "explore/fake_runner.h"
#include "explore/verify.h"

namespace detent::explore {
namespace {

const SameFailure kAborts = [](const Outcome& outcome) { return outcome.signal == 6; };

// The first failing run of random seeds.
Outcome find(Runner& runner, std::uint64_t& seed) {
  for (seed = 1;; ++seed) {
    Outcome outcome = run_one(runner, {{"random", seed, {}}, false, false});
    if (kAborts(outcome)) return outcome;
  }
}

}  // namespace

TEST_CASE("shrinking leaves exactly what the failure needs", "[explore]") {
  const std::vector<Deviations> bugs = {
      {}, {{0, 1}}, {{59, 2}}, {{3, 1}, {20, 2}}, {{0, 2}, {1, 1}, {30, 1}, {58, 2}, {59, 1}}};
  for (const Deviations& bug : bugs) {
    for (const int capacity : {1, 8}) {
      FakeRunner runner(bug, capacity);
      std::uint64_t seed = 0;
      const Outcome failing = find(runner, seed);
      const Shrunk shrunk = shrink(runner, failing, seed, kAborts);
      CHECK(shrunk.reproduced);
      CHECK(shrunk.minimal);
      CHECK(shrunk.plan.deviations == bug);
      CHECK(shrunk.plan.strategy == kReplay);
      CHECK(shrunk.deviations_before == failing.deviations.size());
      CHECK(shrunk.replays <= 200);
    }
  }
}

TEST_CASE("shrinking stops when its replays are used up, with what it has", "[explore]") {
  const Deviations bug = {{3, 1}, {20, 2}, {40, 1}};
  FakeRunner runner(bug);
  std::uint64_t seed = 0;
  const Outcome failing = find(runner, seed);
  const Shrunk shrunk = shrink(runner, failing, seed, kAborts, 8);
  CHECK(shrunk.reproduced);
  CHECK(!shrunk.minimal);
  CHECK(shrunk.replays == 8);
  CHECK(std::ranges::includes(shrunk.plan.deviations, bug));
  CHECK(kAborts(shrunk.outcome));
}

TEST_CASE("a failure that does not come again is not shrunk", "[explore]") {
  FakeRunner runner({{3, 1}});
  std::uint64_t seed = 0;
  const Outcome failing = find(runner, seed);
  runner.touch_up = [](const Plan&, Outcome& outcome) { outcome.signal = 0; };
  const Shrunk shrunk = shrink(runner, failing, seed, kAborts);
  CHECK(!shrunk.reproduced);
  CHECK(shrunk.replays == 1);
  CHECK(shrunk.plan.deviations == failing.deviations);
}

TEST_CASE("the curve jumps where the bug is decided", "[explore]") {
  for (const Deviation at : {Deviation{0, 1}, Deviation{17, 2}, Deviation{59, 1}}) {
    FakeRunner runner({at}, 4);
    const Outcome failing = run_one(runner, {{kReplay, 1, {at}}, false, false});
    const Explanation explanation = explain(runner, failing, 1, kAborts, {});
    REQUIRE(explanation.to != 0);
    const CurvePoint& before = explanation.curve[explanation.to - 1];
    const CurvePoint& after = explanation.curve[explanation.to];
    CHECK(before.choices == at.index);
    CHECK(after.choices == at.index + 1);
    CHECK(after.probability() == 1);
    CHECK(before.probability() < 0.7);
  }
}

TEST_CASE("a program that always fails has no such moment", "[explore]") {
  FakeRunner runner({});
  const Outcome failing = run_one(runner, {{kReplay, 1, {}}, false, false});
  const Explanation explanation = explain(runner, failing, 1, kAborts, {});
  CHECK(explanation.to == 0);
  CHECK(explanation.curve.front().probability() == 1);
}

TEST_CASE("verify tells runs of one plan apart", "[explore]") {
  FakeRunner runner({{3, 1}}, 3);
  const Plan plan{"random", 5, {}};
  const Verified good = verify(runner, plan, 100, true);
  CHECK(good.same());
  CHECK(good.runs == 100);
  std::uint64_t run = 0;
  runner.touch_up = [&](const Plan&, Outcome& outcome) {
    if (++run == 70) outcome.output = "something else";
  };
  CHECK(verify(runner, plan, 50, true).same());
  const Verified bad = verify(runner, plan, 50, true);
  CHECK(!bad.same());
  CHECK(bad.outcomes.size() == 2);
}

}  // namespace detent::explore

#include "explore/criteria.h"

#include <catch2/catch.hpp>
#include <csignal>

namespace detent::explore {
namespace {

Outcome exited(int status) {
  Outcome outcome;
  outcome.verdict = status == 0 ? Verdict::kOk : Verdict::kExit;
  outcome.status = status;
  return outcome;
}

bool holds(const char* text, const Outcome& outcome) {
  std::string problem;
  const auto condition = Condition::parse(text, problem);
  INFO(text << ": " << problem);
  REQUIRE(condition);
  return condition->holds(outcome);
}

}  // namespace

TEST_CASE("conditions on status, signal, time and verdict", "[explore]") {
  CHECK(holds("exit == 3", exited(3)));
  CHECK(holds("exit==3", exited(3)));
  CHECK(holds("exit != 0", exited(3)));
  CHECK(!holds("exit > 3", exited(3)));
  CHECK(holds("exit >= 3", exited(3)));
  CHECK(holds("exit < 4", exited(3)));
  CHECK(!holds("signal == 3", exited(3)));
  Outcome killed;
  killed.verdict = Verdict::kSignal;
  killed.signal = SIGSEGV;
  killed.virtual_ns = 5'000'000'001;
  CHECK(holds("signal == SIGSEGV", killed));
  CHECK(holds("signal == SEGV", killed));
  CHECK(holds("signal == 11", killed));
  CHECK(!holds("exit != 0", killed));
  CHECK(holds("time > 5s", killed));
  CHECK(!holds("time > 5.1s", killed));
  CHECK(holds("verdict == signal", killed));
  CHECK(holds("verdict != lost-wakeup", killed));
}

TEST_CASE("conditions on output match lines, also long ones and such with zeros", "[explore]") {
  Outcome outcome = exited(0);
  outcome.errors = "first\nERROR: 12 lost\nlast";
  CHECK(holds("stderr ~ ^ERROR: [0-9]+ lost$", outcome));
  CHECK(holds("stderr~lost", outcome));
  CHECK(!holds("stderr !~ lost", outcome));
  CHECK(!holds("stdout ~ lost", outcome));
  CHECK(holds("stdout !~ lost", outcome));
  outcome.output = std::string(1 << 20, 'x') + std::string(1, '\0') + "needle";
  CHECK(holds("stdout ~ (x|y)+", outcome));
  CHECK(holds("stdout ~ needle", outcome));
}

TEST_CASE("what is no condition is refused with the reason", "[explore]") {
  for (const char* text : {"", "exit", "exit ==", "exit == x", "exit ~ 3", "exit = 3", "exit === 3",
                           "signal == SIGNO", "time > 5", "time > 1e300h", "stderr == 3", "stdout",
                           "stderr ~ (", "colour ~ red", "verdict == broken"}) {
    std::string problem;
    INFO(text);
    CHECK(!Condition::parse(text, problem));
    CHECK(!problem.empty());
  }
}

TEST_CASE("the user's conditions add failures and excuse them", "[explore]") {
  Criteria criteria;
  std::string problem;
  CHECK(criteria.fails(exited(1)));
  CHECK(!criteria.fails(exited(0)));
  CHECK(!criteria.needs_output());
  REQUIRE(criteria.pass_if("exit == 77", problem));
  REQUIRE(criteria.fail_if("stderr ~ race", problem));
  CHECK(criteria.needs_output());
  CHECK(!criteria.fails(exited(77)));
  CHECK(criteria.why_failed(exited(1)) == "exit status 1");
  Outcome noisy = exited(77);
  noisy.errors = "a race!";
  CHECK(criteria.why_failed(noisy) == "stderr ~ race");
  Outcome broken;
  CHECK(!criteria.fails(broken));
}

}  // namespace detent::explore

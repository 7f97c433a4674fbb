#include "explore/story.h"

#include <catch2/catch.hpp>

#include "explore/fake_runner.h"

namespace detent::explore {
namespace {

constexpr const char* kReport = R"({"version":1,"verdict":"deadlock","status":123,"signal":0,
"tasks":[
 {"tid":2,"name":"two","state":"blocked","call":"futex","waits_in":"futex","object":"0x20","since_ns":9000},
 {"tid":1,"name":"one","state":"blocked","call":"futex","waits_in":"futex","object":"0x10","since_ns":8000}],
"switches":[{"choice":4,"option":1,"kind":"kSwitchEntry","t_ns":5000,"events":2,"from":1,"to":2,
 "from_task":null,"to_task":null}],
"events":[
 {"n":3,"tid":1,"t_ns":6000,"call":"futex","object":"futex 0x10","rw":"w","result":null,"choice":5},
 {"n":1,"tid":1,"t_ns":4000,"call":"clone3","object":"process","rw":"w","result":2,"choice":1},
 {"n":2,"tid":2,"t_ns":5000,"call":"futex","object":"futex 0x10","rw":"w","result":0,"choice":5}],
"modules":[{"start":"0x1000","end":"0x2000","offset":"0x0","path":"/nonexistent"}]})";

Failure deadlock() {
  Failure failure;
  failure.outcome.verdict = Verdict::kDeadlock;
  failure.outcome.report = kReport;
  failure.outcome.errors = "a word\ndetent: deadlock: all 2 tasks wait\n  task 1\n";
  failure.deviations_at_first = 7;
  return failure;
}

bool has(const std::string& text, const std::string& part) {
  INFO(text);
  INFO(part);
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a report is read in the order of tasks and events", "[explore]") {
  const KernelReport report = read_kernel_report(kReport);
  REQUIRE(report.tasks.size() == 2);
  CHECK(report.tasks[0].name == "one");
  CHECK(report.tasks[1].since_ns == 9000);
  REQUIRE(report.events.size() == 3);
  CHECK(report.events[0].call == "clone3");
  CHECK(!report.events[2].result);
  REQUIRE(report.switches.size() == 1);
  CHECK(report.switches[0].to_tid == 2);
  CHECK(!report.switches[0].from);
  REQUIRE(report.modules.size() == 1);
  CHECK(report.modules[0].end == 0x2000);
}

TEST_CASE("registers and stacks are read from hexadecimal", "[explore]") {
  const KernelReport report = read_kernel_report(
      R"({"tasks":[{"tid":1,"regs":{"rip":"0x1234","rsp":"0xff0"},
          "stack":{"address":"0xf70","bytes":"0001fe7"}}]})");
  REQUIRE(report.tasks.size() == 1);
  const std::optional<Standing>& standing = report.tasks[0].standing;
  REQUIRE(standing);
  CHECK(standing->registers[16] == 0x1234);
  CHECK(standing->registers[7] == 0xff0);
  CHECK(standing->stack_address == 0xf70);
  CHECK(standing->stack == std::string("\x00\x01\xfe", 3));
}

TEST_CASE("the story tells who waits for what, and who touched it last", "[explore]") {
  Failure failure = deadlock();
  tell_story(failure);
  CHECK(has(failure.story, "task 1 (one): waits in futex (futex 0x10) since 0.000008000 s"));
  CHECK(has(failure.story, "last touched by task 2 (two): futex at 0.000005000 s"));
  CHECK(has(failure.story, "choice 4 at 0.000005000 s: task 2 (two) runs instead of task 1 (one)"));
  CHECK(has(failure.story, "swap these two and it passes"));
  CHECK(has(failure.story, "  on stderr:\n    a word\n"));
  CHECK(!has(failure.story, "all 2 tasks wait"));
  CHECK(failure.file.empty());
}

TEST_CASE("the time line has one column a task", "[explore]") {
  const std::string text = timeline(read_kernel_report(kReport));
  CHECK(has(text, "task 1 one                        task 2 two\n"));
  CHECK(has(text, "    0.000004000   clone3 process = 2\n"));
  CHECK(has(text, "  * 0.000005000" + std::string(37, ' ') + "futex futex 0x10 = 0\n"));
  CHECK(has(text, "    0.000006000   futex futex 0x10 ...\n"));
}

TEST_CASE("reports that are none make no story, and no trouble", "[explore]") {
  for (const char* report :
       {"", "null", "[]", "{}", R"({"tasks":{},"events":[1,"x",[]],"switches":[{}]})",
        R"({"tasks":[{"tid":"1","regs":[],"stack":3}],"modules":[{"path":7}]})"}) {
    Failure failure = deadlock();
    failure.outcome.report = report;
    failure.key = stack_key(failure.outcome, "deadlock");
    tell_story(failure);
    CHECK(failure.key.starts_with("deadlock|"));
  }
}

}  // namespace detent::explore

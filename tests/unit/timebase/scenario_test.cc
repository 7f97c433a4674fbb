#include "timebase/scenario.h"

#include <vector>

#include "timebase/fakes.h"
#include "timebase/virtual_clock.h"

namespace detent::timebase {
namespace {

using Kind = TimeEvent::Kind;
using When = TimeEvent::When;

struct World {
  VirtualClock source{mono(1'000)};
  ClockSet clocks{source, Instant<Realtime>::from_ns(50'000), Instant<Boottime>::from_ns(3'000)};
  TimerQueue timers{clocks};
  Scenario scenario{clocks, timers};

  void start(std::vector<TimeEvent> events) {
    TimeEvents given;
    for (const TimeEvent& event : events) given.list[given.count++] = event;
    scenario.start(given);
  }
  void pass(std::int64_t ns) {
    source.charge(Duration::nanoseconds(ns));
    timers.expire(source.now());
  }
};

class Recorder final : public Timer {
 public:
  Recorder(World& world, std::vector<std::int64_t>& seen) : world_(world), seen_(seen) {}
  ~Recorder() override { world_.timers.cancel(*this); }

 private:
  void on_expire() override { seen_.push_back(world_.clocks.now(Base::kBoottime)); }
  World& world_;
  std::vector<std::int64_t>& seen_;
};

TEST_CASE("an event since the start comes at its MONOTONIC instant", "[scenario]") {
  World w;
  w.start({{Kind::kStep, When::kSinceStart, 10, -500}});
  w.pass(9);
  CHECK(w.clocks.now(Base::kRealtime) == 50'009);
  w.pass(1);
  CHECK(w.clocks.now(Base::kRealtime) == 49'510);
  CHECK(w.scenario.pending().count == 0);
}

TEST_CASE("an event at a date comes when REALTIME shows it, also by a step", "[scenario]") {
  World w;
  w.start({{Kind::kStep, When::kRealtime, 60'000, 7}, {Kind::kStep, When::kSinceStart, 5, 20'000}});
  w.pass(5);
  w.pass(0);
  CHECK(w.clocks.now(Base::kRealtime) == 70'012);
}

TEST_CASE("a step never brings REALTIME before MONOTONIC", "[scenario]") {
  World w;
  w.start({{Kind::kStep, When::kSinceStart, 0, -1'000'000}});
  w.pass(0);
  CHECK(w.clocks.now(Base::kRealtime) == 1'000);
}

TEST_CASE("what is pending starts again elsewhere", "[scenario]") {
  World w;
  w.start({{Kind::kStep, When::kSinceStart, 5, 1}, {Kind::kStep, When::kSinceStart, 50, 2}});
  w.pass(10);
  const TimeEvents left = w.scenario.pending();
  REQUIRE(left.count == 1);
  CHECK(left.list[0].when == When::kMonotonic);
  CHECK(left.list[0].at == 1'050);
  Scenario next(w.clocks, w.timers);
  w.timers.clear();
  next.start(left);
  w.pass(40);
  CHECK(w.clocks.now(Base::kRealtime) == 50'053);
}

TEST_CASE("a forked child arms again what has not happened", "[scenario]") {
  World w;
  w.start({{Kind::kStep, When::kSinceStart, 5, 1}, {Kind::kStep, When::kSinceStart, 50, 2}});
  w.pass(10);
  w.timers.clear();
  w.scenario.rearm();
  w.pass(40);
  CHECK(w.clocks.now(Base::kRealtime) == 50'053);
  CHECK(w.timers.size() == 0);
}

TEST_CASE("a suspend is cut at each ALARM timer, and goes on when nothing runs", "[scenario]") {
  World w;
  std::vector<std::int64_t> seen;
  Recorder early(w, seen);
  Recorder late(w, seen);
  Recorder plain(w, seen);
  early.set_wakes_machine(true);
  late.set_wakes_machine(true);
  w.timers.arm(late, Base::kRealtime, 50'000 + 300);
  w.timers.arm(early, Base::kBoottime, 3'000 + 100);
  w.timers.arm(plain, Base::kBoottime, 3'000 + 200);
  w.start({{Kind::kSuspend, When::kSinceStart, 10, 1'000}});
  w.pass(10);
  CHECK(w.clocks.now(Base::kBoottime) == 3'100);
  w.pass(0);
  CHECK(seen == std::vector<std::int64_t>{3'100});
  // Before it sleeps on, what is left is handed to the next image.
  REQUIRE(w.scenario.pending().count == 1);
  CHECK(w.scenario.pending().list[0].amount == 910);
  CHECK(w.scenario.on_idle());
  w.pass(0);
  // A timer that does not wake the machine fires when something else did.
  CHECK(seen == std::vector<std::int64_t>{3'100, 3'300, 3'300});
  CHECK(w.scenario.on_idle());
  CHECK_FALSE(w.scenario.on_idle());
  CHECK(w.clocks.now(Base::kBoottime) == 3'000 + 10 + 1'000);
  CHECK(w.clocks.now(Base::kRealtime) == 50'000 + 10 + 1'000);
  CHECK(w.clocks.monotonic() == mono(1'010));
}

TEST_CASE("a slew shows against MONOTONIC_RAW", "[scenario]") {
  World w;
  w.start({{Kind::kSlew, When::kSinceStart, 0, 100'000'000}});
  w.pass(0);
  w.pass(1'100'000);
  CHECK(w.clocks.monotonic() == mono(1'101'000));
  CHECK(w.clocks.raw() == 1'001'000);
}

}  // namespace
}  // namespace detent::timebase

#include "detent/periodic_interval.h"

#include <limits>
#include <random>
#include <vector>

#include "timebase/fakes.h"

namespace detent {
namespace {

constexpr Duration ns(std::int64_t n) { return Duration::nanoseconds(n); }
constexpr Instant<Monotonic> at(std::int64_t n) { return Instant<Monotonic>::from_ns(n); }
constexpr MissedTicks kPolicies[] = {MissedTicks::kBurst, MissedTicks::kDelay, MissedTicks::kSkip};

TEST_CASE("a period that is not positive is refused", "[periodic_interval]") {
  const auto service = TimerService::with_virtual_time();
  CHECK(PeriodicInterval::create(*service, ns(0)).error() == Errno{EINVAL});
  CHECK(PeriodicInterval::create(*service, ns(-1)).error() == Errno{EINVAL});
  CHECK(PeriodicInterval::create(*service, ns(1)).ok());
}

TEST_CASE("awaits in time see each tick on the grid, whatever the policy", "[periodic_interval]") {
  for (const MissedTicks policy : kPolicies) {
    const auto service = TimerService::with_virtual_time(at(7));
    auto interval = PeriodicInterval::create(*service, ns(10), policy).value();
    for (int i = 1; i <= 1000; ++i) {
      REQUIRE(interval.await() == 1);
      REQUIRE(service->now() == at(7 + 10 * i));
      service->run_until(service->now() + ns(i % 10));
    }
  }
}

TEST_CASE("the first tick may be now", "[periodic_interval]") {
  const auto service = TimerService::with_virtual_time(at(50));
  auto interval =
      PeriodicInterval::create(*service, ns(10), MissedTicks::kSkip, service->now()).value();
  CHECK(interval.poll() == 1);
  CHECK(interval.poll() == 0);
  CHECK(interval.next() == at(60));
}

// Properties over random lateness: no tick is told early or twice; burst and skip never leave the grid;
// burst tells one at a time and none is lost; skip tells all that were missed at once; delay is never
// closer than a period.
TEST_CASE("missed ticks are told as the policy says", "[periodic_interval]") {
  std::mt19937_64 random(GENERATE(range(1, 6)));
  for (const MissedTicks policy : kPolicies) {
    const auto period = static_cast<std::int64_t>(1 + random() % 100);
    PeriodicSchedule schedule(at(period), ns(period), policy);
    std::int64_t now = 0;
    std::int64_t last = std::numeric_limits<std::int64_t>::min() / 2;
    std::uint64_t told = 0;
    for (int i = 0; i < 2000; ++i) {
      now += static_cast<std::int64_t>(random() % 5 == 0 ? random() % 1000 : random() % 10);
      const Instant<Monotonic> due = schedule.next();
      const std::uint64_t ticks = schedule.take(at(now));
      REQUIRE((ticks == 0) == (at(now) < due));
      if (ticks == 0) continue;
      told += ticks;
      if (policy == MissedTicks::kBurst) REQUIRE(ticks == 1);
      if (policy == MissedTicks::kDelay) {
        REQUIRE(now - last >= period);
        REQUIRE(schedule.next() == at(now + period));
      } else {
        REQUIRE(schedule.next().ns() % period == 0);
        REQUIRE(static_cast<std::int64_t>(told) == schedule.next().ns() / period - 1);
      }
      if (policy == MissedTicks::kSkip) REQUIRE(schedule.next() > at(now));
      last = now;
    }
  }
}

TEST_CASE("a schedule that was forgotten for centuries catches up at once", "[periodic_interval]") {
  PeriodicSchedule schedule(at(1), ns(1), MissedTicks::kSkip);
  const std::int64_t late = std::numeric_limits<std::int64_t>::max() - 1;
  CHECK(schedule.take(at(late)) == static_cast<std::uint64_t>(late));
}

TEST_CASE("in real time an interval is never early and does not drift", "[periodic_interval]") {
  const auto service = TimerService::with_real_time();
  const Instant<Monotonic> start = service->now();
  auto interval =
      PeriodicInterval::create(*service, Duration::microseconds(500), MissedTicks::kSkip, start)
          .value();
  std::uint64_t ticks = 0;
  while (ticks < 40) {
    ticks += interval.await();
    CHECK(service->now() >= start + Duration::microseconds(500 * (static_cast<int>(ticks) - 1)));
  }
  CHECK(interval.next() == start + Duration::microseconds(500 * static_cast<int>(ticks)));
}

}  // namespace
}  // namespace detent

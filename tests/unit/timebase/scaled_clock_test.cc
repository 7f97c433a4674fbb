#include "timebase/scaled_clock.h"

#include <random>

#include "timebase/fakes.h"

namespace detent::timebase {
namespace {

constexpr std::int64_t kYear = 365LL * 86400 * kNanosPerSecond;

TEST_CASE("a scaled clock starts at the real time and runs at its factor", "[scaled_clock]") {
  ManualClock real(1'000);
  ScaledClock fast(real, 10);
  ScaledClock slow(real, 0.25);
  CHECK(fast.now() == mono(1'000));
  real.pass(400);
  CHECK(fast.now() == mono(5'000));
  CHECK(slow.now() == mono(1'100));
}

TEST_CASE("a scaled clock loses no nanosecond over years", "[scaled_clock]") {
  ManualClock real(0);
  ScaledClock clock(real, 3);
  real.pass(kYear);
  CHECK(clock.now() == mono(3 * kYear));
  real.pass(1);
  CHECK(clock.now() == mono(3 * kYear + 3));
}

TEST_CASE("a scaled clock saturates", "[scaled_clock]") {
  ManualClock real(0);
  ScaledClock clock(real, ScaledClock::kMaxFactor);
  real.pass(kYear);
  CHECK(clock.now() == Instant<Monotonic>::max());
}

TEST_CASE("host time until a deadline that has passed is zero", "[scaled_clock]") {
  ManualClock real(50);
  ScaledClock clock(real, 2);
  real.pass(10);
  CHECK(clock.host_time_until(mono(0)) == Duration());
  CHECK(clock.host_time_until(mono(70)) == Duration());
  CHECK(clock.host_time_until(mono(71)) == Duration::nanoseconds(1));
  CHECK(clock.host_time_until(mono(90)) == Duration::nanoseconds(10));
}

TEST_CASE("after host_time_until the clock shows the deadline, and not before", "[scaled_clock]") {
  std::mt19937_64 random(20240501);
  const double factor = GENERATE(1e-6, 0.001, 1.0 / 3, 1.0, 2.7, 1000.0, 1e6);
  ManualClock real(static_cast<std::int64_t>(random() % 1'000'000));
  ScaledClock clock(real, factor);
  for (int i = 0; i < 500; ++i) {
    real.pass(static_cast<std::int64_t>(random() % 1'000'000'000));
    const auto delay = Duration::nanoseconds(1 + static_cast<std::int64_t>(random() % 100'000));
    const Instant<Monotonic> deadline = clock.now() + delay;
    const Duration wait = clock.host_time_until(deadline);
    REQUIRE(wait.ns() > 0);
    real.pass(wait.ns() - 1);
    REQUIRE(clock.now() < deadline);
    real.pass(1);
    REQUIRE(clock.now() >= deadline);
    REQUIRE(clock.host_time_until(deadline) == Duration());
  }
}

}  // namespace
}  // namespace detent::timebase

// The only unit test that looks at the host's time.
#include "timebase/tsc_clock_unsafe.h"

#include "timebase/fakes.h"

namespace detent::timebase {
namespace {

constexpr int kReadings = 10'000;
constexpr Duration kTolerance = Duration::milliseconds(1);

template <class Clock>
void check_against_host(Clock& clock) {
  Instant<Monotonic> last = clock.now();
  for (int i = 0; i < kReadings; ++i) {
    // Bracketed, so that losing the processor between two readings does not count as an error.
    const Instant<Monotonic> before = host_monotonic();
    const Instant<Monotonic> now = clock.now();
    const Instant<Monotonic> after = host_monotonic();
    REQUIRE(now >= last);
    REQUIRE(now >= before - kTolerance);
    REQUIRE(now <= after + kTolerance);
    last = now;
  }
}

TEST_CASE("the TSC clock is monotonic and within 1 ms of the host", "[tsc_clock]") {
  if (!TscClock::available()) {
    WARN("no invariant TSC here");
    return;
  }
  TscClock clock;
  check_against_host(clock);
}

TEST_CASE("the host clock is monotonic", "[tsc_clock]") {
  HostClock clock;
  check_against_host(clock);
}

TEST_CASE("the host's clocks are told apart", "[tsc_clock]") {
  CHECK(host_realtime().ns() > host_boottime().ns());
  CHECK(host_boottime().ns() >= host_monotonic().ns() - kTolerance.ns());
}

}  // namespace
}  // namespace detent::timebase

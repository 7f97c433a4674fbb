#include "detent/units.h"

#include <limits>

#include "timebase/fakes.h"

namespace detent::timebase {
namespace {

constexpr auto kMax = std::numeric_limits<std::int64_t>::max();
constexpr auto kMin = std::numeric_limits<std::int64_t>::min();

TEST_CASE("sums and differences saturate", "[units]") {
  CHECK(saturating_add(kMax, 1) == kMax);
  CHECK(saturating_add(kMin, -1) == kMin);
  CHECK(saturating_add(kMax, kMin) == -1);
  CHECK(saturating_sub(kMin, 1) == kMin);
  CHECK(saturating_sub(0, kMin) == kMax);
  CHECK(saturating_sub(kMax, -1) == kMax);
}

TEST_CASE("for ever plus anything stays for ever", "[units]") {
  CHECK(Instant<Monotonic>::max() + Duration::seconds(1) == Instant<Monotonic>::max());
  CHECK(mono(5) + Duration::max() == Instant<Monotonic>::max());
  CHECK(-Duration::nanoseconds(kMin) == Duration::max());
}

TEST_CASE("units convert to nanoseconds", "[units]") {
  CHECK(Duration::microseconds(2) == Duration::nanoseconds(2'000));
  CHECK(Duration::milliseconds(2) == Duration::nanoseconds(2'000'000));
  CHECK(Duration::seconds(-2) == Duration::nanoseconds(-2 * kNanosPerSecond));
  CHECK(mono(30) - mono(50) == Duration::nanoseconds(-20));
}

}  // namespace
}  // namespace detent::timebase

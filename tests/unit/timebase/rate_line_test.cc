#include "timebase/rate_line.h"

#include <limits>
#include <random>

#include "timebase/fakes.h"

namespace detent::timebase {
namespace {

constexpr std::uint64_t kOne = std::uint64_t{1} << RateLine::kFractionBits;

TEST_CASE("a rate line is exact at 500 ppm over decades", "[rate_line]") {
  const RateLine line(100, 1'000, kOne + kOne / 2000);
  const std::int64_t decade = 10 * 365 * 86400 * kNanosPerSecond;
  // 2^40 / 2000 is not whole: what is lost is below 1e-12 of the distance.
  const std::int64_t shown = line.at(100 + decade) - 1'000;
  CHECK(shown <= decade + decade / 2000);
  CHECK(shown >= decade + decade / 2000 - decade / 1'000'000'000'000 - 1);
}

TEST_CASE("a rate line's inverses bracket it", "[rate_line]") {
  std::mt19937_64 random(7);
  for (int i = 0; i < 2000; ++i) {
    const std::uint64_t mult = kOne / 2 + random() % kOne;
    const RateLine line(5, 9, mult);
    const auto to = static_cast<std::int64_t>(9 + random() % 1'000'000'000'000);
    const std::int64_t first = line.earliest(to);
    const std::int64_t last = line.latest(to);
    REQUIRE(line.at(first) >= to);
    REQUIRE((first == 5 || line.at(first - 1) < to));
    REQUIRE(line.at(last) <= to);
    REQUIRE(line.at(last + 1) > to);
  }
}

TEST_CASE("a rate line saturates and does not go before its origin", "[rate_line]") {
  const RateLine line(10, 20, 4 * kOne);
  CHECK(line.at(std::numeric_limits<std::int64_t>::max()) ==
        std::numeric_limits<std::int64_t>::max());
  CHECK(line.at(3) == 20);
  CHECK(line.earliest(0) == 10);
}

}  // namespace
}  // namespace detent::timebase

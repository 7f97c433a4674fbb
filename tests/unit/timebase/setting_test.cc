#include "timebase/setting.h"

#include <limits>
#include <random>

#include "timebase/fakes.h"

namespace detent::timebase {
namespace {

constexpr auto kMax = std::numeric_limits<std::int64_t>::max();
constexpr auto kMin = std::numeric_limits<std::int64_t>::min();
constexpr auto kMaxCount = std::numeric_limits<std::uint64_t>::max();
constexpr std::int64_t kYear = 365LL * 86400 * kNanosPerSecond;

void check(const Setting::Advance& result, std::uint64_t expirations, const Setting& setting) {
  CHECK(result.expirations == expirations);
  CHECK(result.setting.armed == setting.armed);
  CHECK(result.setting.next == setting.next);
  CHECK(result.setting.period == setting.period);
}

// The definition: step by step.
Setting::Advance advance_slowly(Setting setting, std::int64_t now) {
  std::uint64_t expirations = 0;
  while (setting.armed && setting.next <= now) {
    ++expirations;
    setting.armed = setting.period != 0;
    setting.next += setting.period;
  }
  return {expirations, setting};
}

TEST_CASE("a disarmed setting never expires", "[setting]") {
  const Setting disarmed{10, 5, false};
  check(disarmed.advance(kMax), 0, disarmed);
  CHECK(disarmed.remaining(0) == Duration());
}

TEST_CASE("a one-shot setting expires once, at its instant", "[setting]") {
  const Setting once{10, 0, true};
  check(once.advance(9), 0, once);
  check(once.advance(10), 1, {10, 0, false});
  check(once.advance(kMax), 1, {10, 0, false});
}

TEST_CASE("a periodic setting counts what it missed and keeps its phase", "[setting]") {
  const Setting every7{10, 7, true};
  check(every7.advance(9), 0, every7);
  check(every7.advance(10), 1, {17, 7, true});
  check(every7.advance(16), 1, {17, 7, true});
  check(every7.advance(17), 2, {24, 7, true});
  check(every7.advance(1000), 142, {1004, 7, true});
}

TEST_CASE("advance agrees with stepping", "[setting]") {
  std::mt19937_64 random(7);
  for (int i = 0; i < 20'000; ++i) {
    const Setting setting{static_cast<std::int64_t>(random() % 2'000) - 1'000,
                          static_cast<std::int64_t>(random() % 50), random() % 8 != 0};
    const std::int64_t now = static_cast<std::int64_t>(random() % 3'000) - 1'500;
    const Setting::Advance expected = advance_slowly(setting, now);
    const Setting::Advance got = setting.advance(now);
    REQUIRE(got.expirations == expected.expirations);
    REQUIRE(got.setting.armed == expected.setting.armed);
    REQUIRE(got.setting.period == (setting.armed && setting.period == 0 ? 0 : setting.period));
    if (got.setting.armed) REQUIRE(got.setting.next == expected.setting.next);
  }
}

TEST_CASE("advancing in two parts is advancing at once", "[setting]") {
  std::mt19937_64 random(8);
  for (int i = 0; i < 20'000; ++i) {
    const Setting setting{static_cast<std::int64_t>(random() % kYear),
                          1 + static_cast<std::int64_t>(random() % kNanosPerSecond), true};
    const std::int64_t late = static_cast<std::int64_t>(random() % (2 * kYear));
    const std::int64_t early = late - static_cast<std::int64_t>(random() % kYear);
    const auto first = setting.advance(early);
    const auto second = first.setting.advance(late);
    const auto whole = setting.advance(late);
    REQUIRE(first.expirations + second.expirations == whole.expirations);
    REQUIRE(second.setting.next == whole.setting.next);
    REQUIRE(whole.setting.next > late);
    REQUIRE((whole.setting.next - setting.next) % setting.period == 0);
  }
}

TEST_CASE("a period of 1 ns is counted over years at once", "[setting]") {
  const Setting every1{0, 1, true};
  check(every1.advance(100 * kYear), 100ULL * kYear + 1, {100 * kYear + 1, 1, true});
}

TEST_CASE("counts and instants saturate at the limits", "[setting]") {
  const Setting from_the_start{kMin, 1, true};
  check(from_the_start.advance(kMax), kMaxCount, {kMax, 1, true});
  check(from_the_start.advance(kMax - 1), kMaxCount, {kMax, 1, true});
  check(from_the_start.advance(kMax - 2), kMaxCount - 1, {kMax - 1, 1, true});
  check(Setting{5, kMax, true}.advance(5), 1, {kMax, kMax, true});
  check(Setting{kMin, kMax, true}.advance(kMax), 3, {kMax, kMax, true});
  check(Setting{kMin, kMax, true}.advance(kMin), 1, {-1, kMax, true});
}

TEST_CASE("an armed setting shows at least 1 ns", "[setting]") {
  const Setting once{100, 0, true};
  CHECK(once.remaining(40) == Duration::nanoseconds(60));
  CHECK(once.remaining(100) == Duration::nanoseconds(1));
  CHECK(once.remaining(kMax) == Duration::nanoseconds(1));
  CHECK(once.remaining(kMin) == Duration::max());
}

}  // namespace
}  // namespace detent::timebase

#include "timebase/tsc_line.h"

#include <algorithm>
#include <random>

#include "timebase/fakes.h"

namespace detent::timebase {
namespace {

constexpr std::int64_t kInterval = TscLine::kResyncInterval;
constexpr std::int64_t kMillisecond = 1'000'000;

// A host whose counter ticks 2.5 times a nanosecond.
struct Host {
  std::uint64_t tsc = 1'000'000'000;
  std::int64_t ns = 7'000'000;

  void pass(std::int64_t elapsed) {
    ns += elapsed;
    tsc += static_cast<std::uint64_t>(elapsed) * 5 / 2;
  }
  [[nodiscard]] TscSample sample() const { return {tsc, ns}; }
};

// The line, read as TscClock reads it.
struct Reader {
  explicit Reader(Host& host_clock) : host(host_clock), line(calibrated(host_clock)) {}

  static TscLine calibrated(Host& host, std::int64_t error = 0) {
    const TscSample first = host.sample();
    host.pass(200'000);
    return {first, {host.tsc, host.ns + error}};
  }

  std::int64_t now() {
    if (!line.covers(host.tsc)) line.resync(host.sample());
    return line.at(host.tsc);
  }
  std::int64_t offset() { return now() - host.ns; }

  Host& host;
  TscLine line;
};

TEST_CASE("a line with an exact rate follows the host", "[tsc_line]") {
  Host host;
  Reader reader(host);
  for (int i = 0; i < 1'000; ++i) {
    host.pass(777'778);
    REQUIRE(std::abs(reader.offset()) <= 2);
  }
}

TEST_CASE("a rough calibration is corrected", "[tsc_line]") {
  Host host;
  Reader reader(host);
  const std::int64_t error = GENERATE(-1'000, -100, 100, 1'000);
  reader.line = Reader::calibrated(host, error);
  for (int i = 0; i < 50; ++i) {
    host.pass(kInterval / 10);
    REQUIRE(std::abs(reader.offset()) <= kMillisecond);
  }
  CHECK(std::abs(reader.offset()) <= 100);
}

TEST_CASE("an unread line starts again at the host's time", "[tsc_line]") {
  Host host;
  Reader reader(host);
  host.pass(GENERATE(4 * kInterval, 3'600 * kNanosPerSecond));
  CHECK(reader.offset() == 0);
  host.pass(kInterval / 2);
  CHECK(std::abs(reader.offset()) <= 2);
}

TEST_CASE("a small offset is slewed away, not jumped over", "[tsc_line]") {
  Host host;
  Reader reader(host);
  host.pass(kInterval);
  CHECK(std::abs(reader.offset()) <= 2);
  const std::int64_t step = GENERATE(-kMillisecond / 2, kMillisecond / 2);
  host.ns += step;
  host.pass(kInterval);
  CHECK(std::abs(reader.offset() + step) <= 2'000);
  host.pass(kInterval - 10);
  CHECK(std::abs(reader.offset()) <= std::abs(step) / 50);
}

TEST_CASE("a counter that was rewritten does not turn the clock back or freeze it", "[tsc_line]") {
  Host host;
  Reader reader(host);
  host.pass(kInterval / 2);
  const std::int64_t shown = reader.now();
  const bool forward = GENERATE(true, false);
  host.tsc = forward ? host.tsc + (1ULL << 50) : 17;
  CHECK(reader.now() >= shown);
  CHECK(reader.offset() <= 2 * kInterval);
  for (int i = 0; i < 100; ++i) {
    const std::int64_t before = reader.now();
    host.pass(kInterval / 10);
    REQUIRE(reader.now() > before);
  }
  CHECK(std::abs(reader.offset()) <= kMillisecond / 100);
}

TEST_CASE("a counter turned back under a line that is ahead does not turn the clock back",
          "[tsc_line]") {
  Host host;
  Reader reader(host);
  host.pass(kInterval / 2);
  const std::int64_t shown = reader.now();
  host.tsc = 17;
  host.ns -= kInterval / 2;
  CHECK(reader.now() >= shown);
}

TEST_CASE("time cut before the rate is known well does not spoil the rate", "[tsc_line]") {
  Host host;
  Reader reader(host);
  reader.line = Reader::calibrated(host, 1'000);
  host.tsc += 1ULL << 50;
  reader.now();
  for (int i = 0; i < 20; ++i) {
    host.pass(kInterval);
    reader.now();
  }
  host.pass(kInterval / 2);
  CHECK(std::abs(reader.offset()) <= 100);
}

TEST_CASE("a counter a little behind the base reads as the base", "[tsc_line]") {
  Host host;
  Reader reader(host);
  const auto& line = reader.line.parameters();
  CHECK(reader.line.covers(line.base_tsc - 100));
  CHECK(reader.line.at(line.base_tsc - 100) == line.base_ns);
  CHECK(!reader.line.covers(line.base_tsc - line.ticks));
  CHECK(reader.line.covers(line.base_tsc + line.ticks - 1));
  CHECK(!reader.line.covers(line.base_tsc + line.ticks));
}

TEST_CASE("readings are monotonic whatever the host does", "[tsc_line]") {
  Host host;
  Reader reader(host);
  std::mt19937_64 random(GENERATE(1, 2, 3, 4));
  std::int64_t last = reader.now();
  for (int i = 0; i < 20'000; ++i) {
    const bool long_pause = random() % 100 == 0;
    const std::uint64_t longest = long_pause ? 100 * kInterval : kInterval / 20;
    host.pass(static_cast<std::int64_t>(random() % longest));
    // The host's own clock jitters and is cut (suspended) now and then; it does not go back.
    host.ns += static_cast<std::int64_t>(random() % 500);
    if (random() % 500 == 0) host.ns += static_cast<std::int64_t>(random() % kNanosPerSecond);
    if (random() % 500 == 0) host.tsc += random() % 1'000'000'000'000;
    const std::int64_t now = reader.now();
    REQUIRE(now >= last);
    last = now;
  }
}

}  // namespace
}  // namespace detent::timebase

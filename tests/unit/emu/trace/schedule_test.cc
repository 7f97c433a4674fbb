#include "emu/trace/schedule.h"

#include <catch2/catch.hpp>
#include <random>

#include "emu/trace/base58.h"

namespace detent::trace {
namespace {

Schedule example() {
  Schedule schedule;
  schedule.strategy = {StrategyKind::kReplay, 0};
  schedule.seed = 0x123456789abcdef0;
  schedule.build_tag = 0xdeadbeef;
  schedule.deviations = {{0, 1, Choice::kReadyTask},
                         {7, 3, Choice::kSwitchEntry},
                         {8, 200, std::nullopt},
                         {300, 1, Choice::kFault},
                         {0xffffffff, 2, Choice::kEintr}};
  return schedule;
}

TEST_CASE("a schedule survives bytes and text") {
  const Schedule schedule = example();
  REQUIRE(from_bytes(to_bytes(schedule)) == schedule);
  const Result<Schedule> back = from_text(to_text(schedule));
  REQUIRE(back.ok());
  REQUIRE(back.value() == schedule);
}

TEST_CASE("five deviations of a long run fit into 64 characters") {
  Schedule schedule = example();
  schedule.deviations = {{1000, 2, Choice::kSwitchEntry},
                         {5000, 1, Choice::kSwitchExit},
                         {21000, 3, Choice::kSwitchEntry},
                         {37000, 1, Choice::kSwitchEntry},
                         {53000, 1, Choice::kReadyTask}};
  REQUIRE(to_text(schedule).size() <= 64);
}

TEST_CASE("every byte string is a schedule, and its encoding means the same") {
  std::mt19937_64 random(1);
  for (int round = 0; round < 20000; ++round) {
    std::vector<std::uint8_t> bytes(random() % 60);
    for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random());
    const Schedule schedule = from_bytes(bytes);
    std::uint64_t least = 0;
    for (const Deviation& deviation : schedule.deviations) {
      REQUIRE(deviation.option != 0);
      REQUIRE(deviation.choice >= least);
      least = std::uint64_t{deviation.choice} + 1;
    }
    REQUIRE(from_bytes(to_bytes(schedule)) == schedule);
    REQUIRE(from_text(to_text(schedule)).value() == schedule);
  }
  REQUIRE(from_bytes({}).strategy.kind == StrategyKind::kReplay);
}

TEST_CASE("points are part of a schedule, and strings without them mean calls") {
  Schedule schedule = example();
  const std::vector<std::uint8_t> before = to_bytes(schedule);
  REQUIRE(before[0] == 0);
  schedule.strategy.points = Points::kAtomics;
  REQUIRE(from_bytes(to_bytes(schedule)) == schedule);
  REQUIRE(from_text(to_text(schedule)).value().strategy.points == Points::kAtomics);
  REQUIRE(from_bytes(before).strategy.points == Points::kCalls);
  REQUIRE(to_string(schedule.strategy) == "replay+atomics");
}

TEST_CASE("a typing error is noticed") {
  const std::string text = to_text(example());
  REQUIRE(from_text("").error() == Errno{EINVAL});
  REQUIRE(from_text("x2" + text.substr(2)).error() == Errno{EINVAL});
  REQUIRE(from_text("x1").error() == Errno{EBADMSG});
  REQUIRE(from_text(text + "1").error() == Errno{EBADMSG});
  REQUIRE(from_text(text + "11").error() == Errno{EBADMSG});
  for (std::size_t i = 2; i < text.size(); ++i) {
    std::string wrong = text;
    wrong[i] = wrong[i] == '2' ? '3' : '2';
    CAPTURE(wrong);
    REQUIRE(from_text(wrong).error() == Errno{EBADMSG});
    wrong.erase(i, 1);
    REQUIRE(from_text(wrong).error() == Errno{EBADMSG});
    if (i + 1 == text.size() || text[i] == text[i + 1]) continue;
    wrong = text;
    std::swap(wrong[i], wrong[i + 1]);
    REQUIRE(from_text(wrong).error() == Errno{EBADMSG});
  }
  REQUIRE(from_text(text.substr(0, 5) + "0OIl").error() == Errno{EBADMSG});
}

TEST_CASE("base58 keeps bytes of any length, zeros at the front too") {
  std::vector<std::uint8_t> bytes;
  for (unsigned size = 0; size < 40; ++size) {
    REQUIRE(from_base58(to_base58(bytes)) == bytes);
    bytes.push_back(static_cast<std::uint8_t>(size < 10 ? 0 : 255 - size));
  }
  REQUIRE_FALSE(from_base58("zzz").has_value());  // more than two bytes hold
  REQUIRE_FALSE(from_base58("1").has_value());    // no number of bytes needs one character
}

TEST_CASE("strategies have names") {
  for (const char* name : {"fifo", "random", "pct:5", "pos", "surw", "period:1", "starve", "replay",
                           "pos+atomics", "period:99+atomics"}) {
    REQUIRE(std::string(name).size() < kStrategyText);
    REQUIRE(to_string(parse_strategy(name).value()) == name);
  }
  REQUIRE(to_string(parse_strategy("pct").value()) == "pct:3");
  for (const char* name : {"", "pc", "pct:", "pct:0", "pct:100", "pct:3x", "random:2", "fifo ",
                           "+atomics", "pos+", "pos+atomics+atomics"}) {
    CAPTURE(name);
    REQUIRE_FALSE(parse_strategy(name).ok());
  }
}

}  // namespace
}  // namespace detent::trace

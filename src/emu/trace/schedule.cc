#include "emu/trace/schedule.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

#include "emu/trace/base58.h"

namespace detent::trace {
namespace {

constexpr std::string_view kPrefix = "x1";
constexpr std::string_view kAtomics = "+atomics";

struct KnownStrategy {
  const char* name;
  std::uint8_t parameter;  // the default; 0: takes none
};
constexpr std::array<KnownStrategy, kStrategyKinds> kKnown = {{{"replay", 0},
                                                               {"fifo", 0},
                                                               {"random", 0},
                                                               {"pct", 3},
                                                               {"pos", 0},
                                                               {"surw", 0},
                                                               {"period", 2},
                                                               {"starve", 0}}};
constexpr unsigned kMaxParameter = 99;

// LEB128.
void put_number(std::vector<std::uint8_t>& to, std::uint64_t number) {
  for (; number >= 0x80; number >>= 7) to.push_back(static_cast<std::uint8_t>(number | 0x80));
  to.push_back(static_cast<std::uint8_t>(number));
}

void put_fixed(std::vector<std::uint8_t>& to, std::uint64_t number, unsigned size) {
  for (unsigned i = 0; i < size; ++i) to.push_back(static_cast<std::uint8_t>(number >> (8 * i)));
}

// Reads on behind the end: zeros.
class Reader {
 public:
  explicit Reader(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}
  [[nodiscard]] bool at_end() const { return bytes_.empty(); }
  std::uint8_t byte() {
    if (bytes_.empty()) return 0;
    const std::uint8_t first = bytes_.front();
    bytes_ = bytes_.subspan(1);
    return first;
  }
  std::uint64_t fixed(unsigned size) {
    std::uint64_t number = 0;
    for (unsigned i = 0; i < size; ++i) number |= std::uint64_t{byte()} << (8 * i);
    return number;
  }
  std::uint64_t number() {
    std::uint64_t number = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const std::uint8_t next = byte();
      number |= std::uint64_t{next & 0x7fU} << shift;
      if ((next & 0x80) == 0) break;
    }
    return number;
  }

 private:
  std::span<const std::uint8_t> bytes_;
};

// The kind in the low four bits: 0 is unknown, n is kind n - 1.
std::uint64_t encode_answer(const Deviation& deviation) {
  const unsigned kind = deviation.kind ? static_cast<unsigned>(*deviation.kind) + 1 : 0;
  return (std::uint64_t{deviation.option - 1} << 4) | kind;
}

Deviation decode_answer(std::uint32_t choice, std::uint64_t answer) {
  Deviation deviation{choice, static_cast<std::uint32_t>(answer >> 4), std::nullopt};
  // 0 would be no deviation.
  deviation.option = std::max(deviation.option + 1, 1U);
  const unsigned kind = answer & 15;
  if (kind != 0 && kind <= kChoiceKinds) deviation.kind = static_cast<Choice>(kind - 1);
  return deviation;
}

std::uint32_t crc32(std::span<const std::uint8_t> bytes) {
  std::uint32_t crc = ~0U;
  for (const std::uint8_t byte : bytes) {
    crc ^= byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (0xedb88320 & (0U - (crc & 1)));
  }
  return ~crc;
}

}  // namespace

Result<Points> parse_points(std::string_view text) {
  if (text == "calls") return Points::kCalls;
  if (text == "atomics") return Points::kAtomics;
  return Errno{EINVAL};
}

Result<StrategyName> parse_strategy(std::string_view text) {
  if (text.ends_with(kAtomics)) {
    text.remove_suffix(kAtomics.size());
    if (text.ends_with(kAtomics)) return Errno{EINVAL};
    StrategyName strategy = TRY(parse_strategy(text));
    strategy.points = Points::kAtomics;
    return strategy;
  }
  const std::string_view name = text.substr(0, text.find(':'));
  for (unsigned i = 0; i < kStrategyKinds; ++i) {
    if (name != kKnown[i].name) continue;
    StrategyName strategy{static_cast<StrategyKind>(i), kKnown[i].parameter, Points::kCalls};
    if (name == text) return strategy;
    const char* end = text.data() + text.size();
    const auto parsed = std::from_chars(name.data() + name.size() + 1, end, strategy.parameter);
    const bool sane = parsed.ec == std::errc() && parsed.ptr == end && strategy.parameter >= 1 &&
                      strategy.parameter <= kMaxParameter;
    if (kKnown[i].parameter == 0 || !sane) return Errno{EINVAL};
    return strategy;
  }
  return Errno{EINVAL};
}

std::string to_string(StrategyName name) {
  std::string text = kKnown[static_cast<unsigned>(name.kind)].name;
  if (name.parameter != 0) text += ":" + std::to_string(name.parameter);
  if (name.points == Points::kAtomics) text += kAtomics;
  return text;
}

std::vector<std::uint8_t> to_bytes(const Schedule& schedule) {
  std::vector<std::uint8_t> bytes;
  // Kinds are counted on for each kind of points: a byte below kStrategyKinds is of calls.
  const auto points = static_cast<std::uint64_t>(schedule.strategy.points);
  put_fixed(bytes, points * kStrategyKinds + static_cast<std::uint64_t>(schedule.strategy.kind), 1);
  put_fixed(bytes, schedule.strategy.parameter, 1);
  put_fixed(bytes, schedule.build_tag, 4);
  put_fixed(bytes, schedule.seed, 8);
  std::uint64_t next = 0;
  for (const Deviation& deviation : schedule.deviations) {
    put_number(bytes, deviation.choice - next);
    put_number(bytes, encode_answer(deviation));
    next = std::uint64_t{deviation.choice} + 1;
  }
  return bytes;
}

Schedule from_bytes(std::span<const std::uint8_t> bytes) {
  Reader reader(bytes);
  Schedule schedule;
  const std::uint8_t first = reader.byte();
  schedule.strategy.kind = static_cast<StrategyKind>(first % kStrategyKinds);
  schedule.strategy.points = static_cast<Points>(first / kStrategyKinds % kPointsKinds);
  const std::uint8_t parameter = reader.byte();
  const std::uint8_t usual = kKnown[static_cast<unsigned>(schedule.strategy.kind)].parameter;
  const bool sane = parameter >= 1 && parameter <= kMaxParameter;
  if (usual != 0) schedule.strategy.parameter = sane ? parameter : usual;
  schedule.build_tag = static_cast<std::uint32_t>(reader.fixed(4));
  schedule.seed = reader.fixed(8);
  std::uint64_t next = 0;
  while (!reader.at_end()) {
    const std::uint64_t gap = reader.number();
    if (gap > std::numeric_limits<std::uint32_t>::max() - next) break;
    const auto choice = static_cast<std::uint32_t>(next + gap);
    schedule.deviations.push_back(decode_answer(choice, reader.number()));
    next = std::uint64_t{choice} + 1;
    if (next > std::numeric_limits<std::uint32_t>::max()) break;
  }
  return schedule;
}

std::string to_text(const Schedule& schedule) {
  std::vector<std::uint8_t> bytes = to_bytes(schedule);
  put_fixed(bytes, crc32(bytes), 4);
  return std::string(kPrefix) + to_base58(bytes);
}

Result<Schedule> from_text(std::string_view text) {
  if (!text.starts_with(kPrefix)) return Errno{EINVAL};
  const std::optional<std::vector<std::uint8_t>> bytes = from_base58(text.substr(kPrefix.size()));
  if (!bytes || bytes->size() < 4) return Errno{EBADMSG};
  const std::span<const std::uint8_t> all(*bytes);
  const std::span<const std::uint8_t> payload = all.first(bytes->size() - 4);
  Reader checksum(all.last(4));
  if (checksum.fixed(4) != crc32(payload)) return Errno{EBADMSG};
  return from_bytes(payload);
}

}  // namespace detent::trace

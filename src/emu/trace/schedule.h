// Schedule: one run's choices as a value, in two forms:
//
//   seed form        a strategy and a seed; the strategy answers every choice
//   deviation list   "replay", the seed of the random bytes, and the choices that were not answered by
//                    Linux's usual option 0
//
// Three codecs. Bytes: decoding is total, so that a fuzzer may mutate them; missing bytes are zeros and
// excess is cut. Text: "x1", the bytes and a checksum in base58; a typing error is detected. Build tag: names
// the program that the schedule was found with; a schedule for another build is no error, only doubtful.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "detent/result.h"
#include "emu/trace/choice.h"

namespace detent::trace {

/// Names of strategies; the order is part of the codec.
enum class StrategyKind : std::uint8_t {
  kReplay,
  kFifo,
  kRandom,
  kPct,
  kPos,
  kSurw,
  kPeriod,
  kStarve,
};
inline constexpr unsigned kStrategyKinds = 8;

/// Where a task may be preempted.
enum class Points : std::uint8_t {
  kCalls,    ///< at system calls
  kAtomics,  ///< and before atomic instructions and PAUSE
};
inline constexpr unsigned kPointsKinds = 2;

struct StrategyName {
  StrategyKind kind = StrategyKind::kFifo;
  std::uint8_t parameter = 0;  ///< pct:d, period:d; 0 where the strategy takes none
  Points points = Points::kCalls;

  friend bool operator==(const StrategyName&, const StrategyName&) = default;
};

/// "fifo", "random", "pct:3"... "pct" and "period" alone mean pct:3 and period:2; d is 1 to 99. "+atomics"
/// behind it stands for Points::kAtomics. EINVAL.
Result<StrategyName> parse_strategy(std::string_view text);
std::string to_string(StrategyName name);
/// What to_string() gives at most, with a zero behind it.
inline constexpr std::size_t kStrategyText = 24;
/// "calls" or "atomics". EINVAL.
Result<Points> parse_points(std::string_view text);
/// All names, for usage messages.
inline constexpr const char* kStrategyNames =
    "fifo, random, pct[:D], pos, surw, period[:D], starve or replay";

/// Choice `choice` of a run is answered by `option`, which is not 0.
struct Deviation {
  std::uint32_t choice = 0;
  std::uint32_t option = 0;
  /// What kind of choice it was, if known: a replay that meets another kind has diverged. Where it is not
  /// known, a replay takes the option modulo the number of options.
  std::optional<Choice> kind;

  friend bool operator==(const Deviation&, const Deviation&) = default;
};

struct Schedule {
  StrategyName strategy;
  std::uint64_t seed = 0;
  std::uint32_t build_tag = 0;        ///< 0: unknown
  std::vector<Deviation> deviations;  ///< ascending by choice; used by replay only

  friend bool operator==(const Schedule&, const Schedule&) = default;
};

std::vector<std::uint8_t> to_bytes(const Schedule& schedule);
/// Any bytes are a schedule. Decoding the result of to_bytes() gives the same schedule.
Schedule from_bytes(std::span<const std::uint8_t> bytes);

std::string to_text(const Schedule& schedule);
/// EINVAL: not a schedule string of this version; EBADMSG: a character is wrong, missing or in excess.
Result<Schedule> from_text(std::string_view text);

}  // namespace detent::trace

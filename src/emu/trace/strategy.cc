#include "emu/trace/strategy.h"

#include "emu/trace/rng.h"
#include "emu/trace/strategies.h"

namespace detent::trace {
namespace {

constexpr std::uint64_t kLength = 0x6c656e;

}  // namespace

std::unique_ptr<Strategy> make_strategy(StrategyName name, std::uint64_t seed,
                                        const Profile& profile) {
  switch (name.kind) {
    case StrategyKind::kRandom:
      return make_random(seed);
    case StrategyKind::kPct:
      return make_pct(seed, name.parameter, profile);
    case StrategyKind::kPos:
      return make_pos(seed);
    case StrategyKind::kSurw:
      return make_surw(seed, profile);
    case StrategyKind::kPeriod:
      return make_period(seed, name.parameter, profile);
    case StrategyKind::kStarve:
      return make_starve(seed);
    case StrategyKind::kReplay:
    case StrategyKind::kFifo:
      break;
  }
  return make_fifo();
}

std::uint64_t expected_turns(std::uint64_t seed, const Profile& profile) {
  // A run with preemptions asks a little more than one without.
  if (profile.turns != 0) return profile.turns + profile.turns / 5 + 1;
  return std::uint64_t{16} << (draw(seed, kLength, 0) % 8);
}

}  // namespace detent::trace

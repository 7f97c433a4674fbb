// Outcomes: how a strategy answers the choices that are not among tasks.
//
// Swarm: which kinds are played with at all is drawn once from the seed, each with probability 1/2, so that
// some schedules have many spurious wakes and others none.
#pragma once

#include <cstdint>

#include "emu/trace/choice.h"
#include "emu/trace/rng.h"

namespace detent::trace {

class Outcomes {
 public:
  explicit Outcomes(std::uint64_t seed) : seed_(seed) {}

  std::uint32_t pick(Choice kind, std::uint32_t options) {
    const std::uint64_t bits = draw(seed_, kStream, asked_++);
    if ((draw(seed_, kStream + 1, static_cast<std::uint64_t>(kind)) & 1) == 0) return 0;
    if (bits % (rarity(kind) << shift(kind)) != 0) return 0;
    return static_cast<std::uint32_t>((bits >> 32) % options);
  }

 private:
  static constexpr std::uint64_t kStream = 0x6f7574;

  // One in so many is not the usual answer, where the kind is played with.
  static constexpr std::uint64_t rarity(Choice kind) {
    switch (kind) {
      case Choice::kWaiter:
      case Choice::kBatchOrder:
        return 1;
      case Choice::kExpiry:
      case Choice::kEarlyTimeout:
      case Choice::kShortIo:
        return 2;
      default:
        return 4;
    }
  }
  // Kinds that may be used up: often from the start in some schedules, and seldom, but later, in others.
  [[nodiscard]] unsigned shift(Choice kind) const {
    if (rarity(kind) == 1) return 0;
    return static_cast<unsigned>(draw(seed_, kStream + 2, static_cast<std::uint64_t>(kind)) % 4);
  }

  std::uint64_t seed_;
  std::uint64_t asked_ = 0;
};

}  // namespace detent::trace

// Finds the preemption points of a function: atomic instructions and PAUSE. Pure computation.
//
// A point will be overwritten, so what is found must be an instruction for sure. A function is walked from
// its first byte along its own jumps. What no jump leads to is walked from the end of what was, and only if
// the function has entries that cannot be seen: an indirect jump (of a switch), or landing pads. So data
// between functions, or behind the last instruction of one, is never taken for code. A function whose
// instructions overlap has no points, but for the idiom that jumps behind a LOCK prefix.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "emu/arch/x86_64/shape.h"

namespace detent::arch {

struct FoundPoint {
  std::uint64_t offset = 0;  ///< from the start of the function
  Shape shape;
  /// Somebody may jump into the instruction (behind its prefix): only its first byte may be replaced.
  bool entered_inside = false;
};

std::vector<FoundPoint> find_points(std::span<const std::uint8_t> function, bool has_pads);

}  // namespace detent::arch

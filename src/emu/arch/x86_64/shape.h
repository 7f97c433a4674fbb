// The shape of an instruction: how long it is, where it goes, and whether it is a preemption point.
//
// Unlike instruction.h this knows all of 64-bit mode (legacy, VEX and EVEX forms): it is made to walk through
// whole functions, not to move what it finds. What it does not know has no shape, and a walk ends there.
// Source: Intel SDM vol. 2, chapter 2 and appendix A; AMD's XOP and 3DNow! are refused.
// tests/patch compares it with Zydis over the text of the libraries on the machine.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace detent::arch {

enum class Flow : std::uint8_t {
  kNext,      ///< goes on behind it, as a call does
  kEnd,       ///< never: ret, hlt, ud2, int3
  kJump,      ///< to `offset`
  kBranch,    ///< to `offset`, or goes on
  kIndirect,  ///< where only a register or memory knows
};

enum class PointKind : std::uint8_t {
  kNone,
  kAtomic,  ///< a read-modify-write that other processors see as one: LOCK, or XCHG with memory
  kPause,   ///< PAUSE: a loop that waits for another processor
};

/// Where in memory an instruction works: base + index * scale + displacement, from the segment's base.
struct MemoryOperand {
  static constexpr std::uint8_t kNoRegister = 0xff;
  static constexpr std::uint8_t kRip = 0xfe;
  enum class Segment : std::uint8_t { kFlat, kFs, kGs };

  std::uint8_t base =
      kNoRegister;  ///< number of a register as instructions have it (0: rax, 1: rcx...)
  std::uint8_t index = kNoRegister;
  std::uint8_t shift = 0;
  Segment segment = Segment::kFlat;
  std::int32_t displacement = 0;
};

struct Shape {
  std::uint8_t length = 0;
  /// Where a RIP-relative operand's displacement starts; 0: there is none.
  std::uint8_t displacement = 0;
  Flow flow = Flow::kNext;
  PointKind point = PointKind::kNone;
  /// Of kJump and kBranch: target minus the address behind it.
  std::int32_t offset = 0;
  MemoryOperand operand;  ///< of kAtomic
};

/// The instruction at the start of `code`; nothing if it is unknown or cut off.
std::optional<Shape> shape_of(std::span<const std::uint8_t> code);

}  // namespace detent::arch

// A decoder for the few instructions that may be moved from behind a system call into a trampoline.
//
// It knows a whitelist. What is not on it (calls, system calls, indirect jumps, VEX and EVEX forms, whatever
// is new) is refused, and the site stays as it is. Source: Intel SDM vol. 2, chapter 2 and appendix A.
// tests/unit compares it with Zydis behind every system call of the libraries on the machine.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace detent::arch {

enum class InstructionKind : std::uint8_t {
  kPlain,       ///< does the same anywhere, but for a RIP-relative operand (see displacement)
  kPadding,     ///< a nop of any length, or int3: what stands between functions
  kReturn,      ///< ret
  kJump,        ///< jmp with an 8- or 32-bit offset
  kConditional  ///< jcc with an 8- or 32-bit offset
};

struct Instruction {
  InstructionKind kind = InstructionKind::kPlain;
  std::uint8_t length = 0;
  /// Where a RIP-relative operand's 32-bit displacement starts; 0: there is none.
  std::uint8_t displacement = 0;
  /// Condition code (the opcode's low four bits) of a kConditional.
  std::uint8_t condition = 0;
  /// Of a jump: target minus the address behind it.
  std::int32_t offset = 0;
};

/// The instruction at the start of `code`; nothing if it is not on the whitelist or is cut off.
std::optional<Instruction> decode(std::span<const std::uint8_t> code);

}  // namespace detent::arch

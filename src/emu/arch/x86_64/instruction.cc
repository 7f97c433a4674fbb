#include "emu/arch/x86_64/instruction.h"

#include <cstring>
#include <string_view>

namespace detent::arch {
namespace {

// What follows an opcode, a character each:
//   .  refused            -  nothing           m  ModRM            b  ModRM, imm8    d  ModRM, imm16/32
//   i  imm8               I  imm16/32          J  jump, rel8       K  jump, rel32    C  jcc, rel8
//   D  jcc, rel32         r  ret               n  nop or int3      N  nop with ModRM Q  imm16/32/64
//   0  ModRM, imm8, only /0                    1  ModRM, imm32, only /0
//   g  group 3, byte      G  group 3           s  group 4 (/0, /1) S  group 5 (/0, /1, /6)
//   l  ModRM of memory
using Row = std::string_view;
constexpr Row kOneByte[16] = {
    "mmmmiI..mmmmiI..",  // 00  add, or
    "mmmmiI..mmmmiI..",  // 10  adc, sbb
    "mmmmiI..mmmmiI..",  // 20  and, sub (26 and 2e are prefixes)
    "mmmmiI..mmmmiI..",  // 30  xor, cmp
    "................",  // 40  REX
    "----------------",  // 50  push, pop
    "...m....Idib....",  // 60  movslq, push, imul
    "CCCCCCCCCCCCCCCC",  // 70  jcc
    "bd.bmmmmmmmm.l..",  // 80  group 1, test, xchg, mov, lea
    "n---------......",  // 90  nop, xchg, cltq, cqto
    "........iI......",  // a0  test
    "iiiiiiiiQQQQQQQQ",  // b0  mov
    "bb.r..01.-..n...",  // c0  shifts, ret, mov, leave, int3
    "mmmm............",  // d0  shifts
    ".........K.J....",  // e0  jmp
    "......gG......sS",  // f0  test, not, neg, mul, div; inc, dec, push
};
constexpr Row kTwoByte[16] = {
    ".............m..",  // 00  prefetchw
    "mmmmmmmmN.....NN",  // 10  SSE moves; prefetch, endbr64, nop
    "........mmmmmmmm",  // 20  SSE moves, conversions, comparisons
    "................",  // 30
    "mmmmmmmmmmmmmmmm",  // 40  cmov
    ".mmmmmmmmmmmmmmm",  // 50  SSE arithmetic
    "mmmmmmmmmmmmmmmm",  // 60  SSE integers
    "b...mmm.......mm",  // 70  pshuf, pcmpeq, movd, movdqa
    "DDDDDDDDDDDDDDDD",  // 80  jcc
    "mmmmmmmmmmmmmmmm",  // 90  setcc
    "...mbm.....mbm.m",  // a0  bt, shld, bts, shrd, imul
    "mm.m..mm..bmmmmm",  // b0  cmpxchg, btr, movzx, btc, bsf, bsr, movsx
    "mm......--------",  // c0  xadd, bswap
    "...mmmm.m.mm.mmm",  // d0  SSE integers
    "m..m.mm.mmmmmmmm",  // e0
    "..mmmm..mmmmmmm.",  // f0
};

struct Prefixes {
  bool operand_size = false;
  bool repeat = false;
  bool rex_w = false;
};

class Decoder {
 public:
  explicit Decoder(std::span<const std::uint8_t> code) : code_(code) {}

  std::optional<Instruction> run() {
    const char form = prefixes_and_opcode();
    if (!operands(form) || at_ > 15 || cut_off_) return std::nullopt;
    result_.length = static_cast<std::uint8_t>(at_);
    return result_;
  }

 private:
  std::uint8_t next() {
    if (at_ >= code_.size()) {
      cut_off_ = true;
      return 0;
    }
    return code_[at_++];
  }

  char prefixes_and_opcode() {
    std::uint8_t byte = next();
    for (; is_prefix(byte); byte = next()) {
      prefixes_.operand_size = prefixes_.operand_size || byte == 0x66;
      prefixes_.repeat = prefixes_.repeat || byte == 0xf2 || byte == 0xf3;
    }
    if ((byte & 0xf0) == 0x40) {
      prefixes_.rex_w = (byte & 8) != 0;
      byte = next();
    }
    if (byte == 0x0f) {
      opcode_ = next();
      return kTwoByte[opcode_ >> 4][opcode_ & 15];
    }
    opcode_ = byte;
    return kOneByte[opcode_ >> 4][opcode_ & 15];
  }

  // Segment overrides, operand size, lock, repeat; the address size is refused.
  [[nodiscard]] bool is_prefix(std::uint8_t byte) const {
    switch (byte) {
      case 0x26:
      case 0x2e:
      case 0x36:
      case 0x3e:
      case 0x64:
      case 0x65:
      case 0x66:
      case 0xf0:
      case 0xf2:
      case 0xf3:
        return !cut_off_;
      default:
        return false;
    }
  }

  bool operands(char form) {
    switch (form) {
      case '-':
        return true;
      case 'n':
        // F3 90 is pause. Nothing else is worth a look.
        result_.kind = prefixes_.repeat ? InstructionKind::kPlain : InstructionKind::kPadding;
        return true;
      case 'r':
        result_.kind = InstructionKind::kReturn;
        return true;
      case 'i':
        return skip(1);
      case 'I':
        return skip(immediate());
      case 'Q':
        return skip(prefixes_.rex_w ? 8 : immediate());
      case 'J':
      case 'C':
      case 'K':
      case 'D':
        return jump(form);
      case '.':
        return false;
      default:
        return with_modrm(form);
    }
  }

  bool with_modrm(char form) {
    const unsigned reg = modrm();
    switch (form) {
      case 'm':
        return true;
      case 'l':
        return !of_register_;
      case 'N':
        if (opcode_ != 0x1e) result_.kind = InstructionKind::kPadding;
        return true;
      case 'b':
        return skip(1);
      case 'd':
        return skip(immediate());
      case '0':
        return reg == 0 && skip(1);
      case '1':
        return reg == 0 && skip(immediate());
      case 'g':
        return reg >= 2 || skip(1);
      case 'G':
        return reg >= 2 || skip(immediate());
      case 's':
        return reg <= 1;
      case 'S':
        return reg <= 1 || reg == 6;
      default:
        return false;
    }
  }

  [[nodiscard]] std::size_t immediate() const {
    return prefixes_.operand_size && !prefixes_.rex_w ? 2 : 4;
  }

  bool skip(std::size_t bytes) {
    at_ += bytes;
    cut_off_ = cut_off_ || at_ > code_.size();
    return true;
  }

  // The reg field of the ModRM byte, behind which SIB and displacement are skipped.
  unsigned modrm() {
    const std::uint8_t byte = next();
    const unsigned mod = byte >> 6;
    const unsigned rm = byte & 7;
    of_register_ = mod == 3;
    if (mod != 3) {
      unsigned base = rm;
      if (rm == 4) base = next() & 7;
      if (mod == 0 && rm == 5) result_.displacement = static_cast<std::uint8_t>(at_);
      if (mod == 2 || (mod == 0 && base == 5)) skip(4);
      if (mod == 1) skip(1);
    }
    return (byte >> 3) & 7;
  }

  bool jump(char form) {
    if (prefixes_.operand_size) return false;
    const bool conditional = form == 'C' || form == 'D';
    result_.kind = conditional ? InstructionKind::kConditional : InstructionKind::kJump;
    result_.condition = opcode_ & 15;
    if (form == 'J' || form == 'C') {
      result_.offset = static_cast<std::int8_t>(next());
      return true;
    }
    const std::size_t field = at_;
    skip(4);
    if (!cut_off_) std::memcpy(&result_.offset, code_.data() + field, 4);
    return true;
  }

  std::span<const std::uint8_t> code_;
  std::size_t at_ = 0;
  bool cut_off_ = false;
  bool of_register_ = false;
  std::uint8_t opcode_ = 0;
  Prefixes prefixes_;
  Instruction result_;
};

}  // namespace

std::optional<Instruction> decode(std::span<const std::uint8_t> code) {
  return Decoder(code).run();
}

}  // namespace detent::arch

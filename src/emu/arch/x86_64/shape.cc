#include "emu/arch/x86_64/shape.h"

#include <cstring>
#include <string_view>

namespace detent::arch {
namespace {

// What follows an opcode, a character each:
//   .  unknown          -  nothing          m  ModRM            b  ModRM, imm8       d  ModRM, imm16/32
//   i  imm8             w  imm16            I  imm16/32         Q  imm16/32/64       a  an address
//   e  imm16, imm8      g  group 3, imm8    G  group 3          f  group 5           x  ModRM, no third form
//   C  jcc, rel8        J  jump, rel8       D  jcc, rel32       K  jump, rel32       c  call, rel32
//   r  ends
using Row = std::string_view;
constexpr Row kOneByte[16] = {
    "mmmmiI..mmmmiI..",  // 00
    "mmmmiI..mmmmiI..",  // 10
    "mmmmiI..mmmmiI..",  // 20
    "mmmmiI..mmmmiI..",  // 30
    "................",  // 40  REX
    "----------------",  // 50
    "...m....Idib----",  // 60
    "CCCCCCCCCCCCCCCC",  // 70
    "bd.bmmmmmmmmmmmx",  // 80  (8f /0 only: the others are XOP)
    "----------.-----",  // 90
    "aaaa----iI------",  // a0
    "iiiiiiiiQQQQQQQQ",  // b0
    "bbwr..bde-wrri.r",  // c0
    "mmmm...-mmmmmmmm",  // d0
    "CCCCiiiicK.J----",  // e0
    "....r-gG------mf",  // f0
};
constexpr Row kTwoByte[16] = {
    "mmmm.-----.r.m..",  // 00
    "mmmmmmmmmmmmmmmm",  // 10
    "mmmm....mmmmmmmm",  // 20
    "------.-........",  // 30
    "mmmmmmmmmmmmmmmm",  // 40
    "mmmmmmmmmmmmmmmm",  // 50
    "mmmmmmmmmmmmmmmm",  // 60
    "bbbbmmm-....mmmm",  // 70
    "DDDDDDDDDDDDDDDD",  // 80
    "mmmmmmmmmmmmmmmm",  // 90
    "---mbm..---mbmmm",  // a0
    "mmmmmmmmm.bmmmmm",  // b0
    "mmbmbbbm--------",  // c0
    "mmmmmmmmmmmmmmmm",  // d0
    "mmmmmmmmmmmmmmmm",  // e0
    "mmmmmmmmmmmmmmm.",  // f0
};

// The opcode maps of VEX and EVEX prefixes.
constexpr unsigned kMap0f = 1;
constexpr unsigned kMap0f38 = 2;
constexpr unsigned kMap0f3a = 3;
constexpr unsigned kMap5 = 5;
constexpr unsigned kMap6 = 6;

class Walker {
 public:
  explicit Walker(std::span<const std::uint8_t> code) : code_(code) {}

  std::optional<Shape> run() {
    if (!known() || cut_off_ || at_ > 15) return std::nullopt;
    shape_.length = static_cast<std::uint8_t>(at_);
    find_point();
    return shape_;
  }

 private:
  std::uint8_t next() {
    if (at_ >= code_.size()) {
      cut_off_ = true;
      return 0;
    }
    return code_[at_++];
  }

  bool known() {
    std::uint8_t byte = next();
    while (take_prefix(byte)) byte = next();
    if ((byte & 0xf0) == 0x40) {
      rex_ = byte;
      byte = next();
    }
    if (byte == 0xc4 || byte == 0xc5 || byte == 0x62) return rex_ == 0 && vector_form(byte);
    if (byte != 0x0f) {
      opcode_ = byte;
      return operands(kOneByte[byte >> 4][byte & 15]);
    }
    two_byte_ = true;
    opcode_ = next();
    if (opcode_ == 0x38 || opcode_ == 0x3a) {
      two_byte_ = false;
      const bool immediate = opcode_ == 0x3a;
      opcode_ = next();
      modrm();
      return !immediate || skip(1);
    }
    return operands(kTwoByte[opcode_ >> 4][opcode_ & 15]);
  }

  bool take_prefix(std::uint8_t byte) {
    switch (byte) {
      case 0x26:
      case 0x2e:
      case 0x36:
      case 0x3e:
        break;
      case 0x64:
        segment_ = MemoryOperand::Segment::kFs;
        break;
      case 0x65:
        segment_ = MemoryOperand::Segment::kGs;
        break;
      case 0x66:
        operand_size_ = true;
        break;
      case 0x67:
        address_size_ = true;
        break;
      case 0xf0:
        lock_ = true;
        break;
      case 0xf2:
      case 0xf3:
        repeat_ = byte;
        break;
      default:
        return false;
    }
    return !cut_off_;
  }

  // Two more bytes behind C5, three behind C4, four behind 62; the opcode is the last but for EVEX's.
  bool vector_form(std::uint8_t prefix) {
    unsigned map = kMap0f;
    const std::uint8_t first = next();
    if (prefix == 0xc4) map = first & 0x1f;
    if (prefix == 0x62) map = first & 7;
    if (prefix != 0xc5) next();
    if (prefix == 0x62) next();
    const bool evex_only = map == kMap5 || map == kMap6;
    if (evex_only ? prefix != 0x62 : map < kMap0f || map > kMap0f3a) return false;
    vector_ = true;
    opcode_ = next();
    if (prefix != 0x62 && map == kMap0f && opcode_ == 0x77) return true;  // vzeroupper
    modrm();
    return !(map == kMap0f3a || (map == kMap0f && takes_immediate())) || skip(1);
  }

  [[nodiscard]] bool takes_immediate() const {
    return (opcode_ >= 0x70 && opcode_ <= 0x73) || opcode_ == 0xc2 ||
           (opcode_ >= 0xc4 && opcode_ <= 0xc6);
  }

  bool operands(char form) {
    switch (form) {
      case '-':
        return true;
      case 'r':
        shape_.flow = Flow::kEnd;
        return true;
      case 'i':
        return skip(1);
      case 'w':
        if (opcode_ == 0xc2 || opcode_ == 0xca) shape_.flow = Flow::kEnd;
        return skip(2);
      case 'e':
        return skip(3);
      case 'I':
        return skip(immediate());
      case 'Q':
        return skip((rex_ & 8) != 0 ? 8 : immediate());
      case 'a':
        return skip(address_size_ ? 4 : 8);
      case 'C':
      case 'J':
      case 'D':
      case 'K':
      case 'c':
        return jump(form);
      case '.':
        return false;
      default:
        return with_modrm(form);
    }
  }

  bool with_modrm(char form) {
    modrm();
    switch (form) {
      case 'm':
        return true;
      case 'x':
        return reg_ == 0;
      case 'b':
        return skip(1);
      case 'd':
        return skip(immediate());
      case 'g':
        return reg_ >= 2 || skip(1);
      case 'G':
        return reg_ >= 2 || skip(immediate());
      default:  // f
        if (reg_ == 4 || reg_ == 5) shape_.flow = Flow::kIndirect;
        return reg_ != 7;
    }
  }

  [[nodiscard]] std::size_t immediate() const { return operand_size_ && (rex_ & 8) == 0 ? 2 : 4; }

  bool skip(std::size_t bytes) {
    at_ += bytes;
    cut_off_ = cut_off_ || at_ > code_.size();
    return true;
  }

  bool jump(char form) {
    // With an operand size the processors of two makers disagree, but for the padded calls of __tls_get_addr.
    if (operand_size_ && (rex_ & 8) == 0) return false;
    const bool is_short = form == 'C' || form == 'J';
    const std::size_t field = at_;
    skip(is_short ? 1 : 4);
    if (cut_off_) return false;
    if (is_short) {
      shape_.offset = static_cast<std::int8_t>(code_[field]);
    } else {
      std::memcpy(&shape_.offset, &code_[field], sizeof(shape_.offset));
    }
    if (form == 'C' || form == 'D') shape_.flow = Flow::kBranch;
    if (form == 'J' || form == 'K') shape_.flow = Flow::kJump;
    return true;
  }

  void modrm() {
    const std::uint8_t byte = next();
    const unsigned mod = byte >> 6;
    reg_ = (byte >> 3) & 7;
    of_memory_ = mod != 3;
    if (!of_memory_) return;
    MemoryOperand& operand = shape_.operand;
    unsigned base = byte & 7;
    if (base == 4) base = sib();
    operand.base = static_cast<std::uint8_t>(base | (rex_ & 1) << 3);
    if (mod == 0 && (byte & 7) == 5) {
      shape_.displacement = static_cast<std::uint8_t>(at_);
      operand.base = MemoryOperand::kRip;
      displacement(4);
    } else if (mod == 0 && base == 5) {
      operand.base = MemoryOperand::kNoRegister;
      displacement(4);
    } else if (mod != 0) {
      displacement(mod == 1 ? 1 : 4);
    }
  }

  unsigned sib() {
    const std::uint8_t byte = next();
    const unsigned index = ((byte >> 3) & 7) | (rex_ & 2) << 2;
    if (index != 4) shape_.operand.index = static_cast<std::uint8_t>(index);
    shape_.operand.shift = byte >> 6;
    return byte & 7;
  }

  void displacement(std::size_t bytes) {
    const std::size_t field = at_;
    skip(bytes);
    if (cut_off_) return;
    if (bytes == 1) {
      shape_.operand.displacement = static_cast<std::int8_t>(code_[field]);
    } else {
      std::memcpy(&shape_.operand.displacement, &code_[field], 4);
    }
  }

  void find_point() {
    shape_.operand.segment = segment_;
    const bool is_plain = !vector_ && !two_byte_;
    if (is_plain && opcode_ == 0x90 && repeat_ == 0xf3 && (rex_ & 1) == 0) {
      shape_.point = PointKind::kPause;
      return;
    }
    const bool exchanges = is_plain && (opcode_ == 0x86 || opcode_ == 0x87);
    // Segment bases other than the guest's own and 32-bit addresses are left alone.
    if (of_memory_ && !address_size_ && (exchanges || lock_)) shape_.point = PointKind::kAtomic;
  }

  std::span<const std::uint8_t> code_;
  std::size_t at_ = 0;
  bool cut_off_ = false;
  bool operand_size_ = false;
  bool address_size_ = false;
  bool lock_ = false;
  bool two_byte_ = false;
  bool vector_ = false;
  bool of_memory_ = false;
  std::uint8_t repeat_ = 0;
  std::uint8_t rex_ = 0;
  std::uint8_t opcode_ = 0;
  unsigned reg_ = 0;
  MemoryOperand::Segment segment_ = MemoryOperand::Segment::kFlat;
  Shape shape_;
};

}  // namespace

std::optional<Shape> shape_of(std::span<const std::uint8_t> code) { return Walker(code).run(); }

}  // namespace detent::arch

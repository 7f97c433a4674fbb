#include <cstdlib>
#include <cstring>

#include "detent/assert.h"
#include "emu/arch/x86_64/user_state.h"

extern "C" {
// Whose x87 state the processor holds, newer than the image of that state. Null: nobody's.
detent::arch::UserState* detent_x87_owner;
}

namespace detent::arch {
namespace {

std::uint64_t read_xcr0() {
  std::uint32_t low = 0;
  std::uint32_t high = 0;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (static_cast<std::uint64_t>(high) << 32) | low;
}

// CPUID.0DH.0:EBX, the size for the features that XCR0 enables. Not by <cpuid.h>: clang 14 gives its EBX
// output the register of the EAX input when the other outputs are unused.
std::uint32_t query_xsave_size() {
  std::uint32_t eax = 0xd;
  std::uint32_t ebx = 0;
  std::uint32_t ecx = 0;
  std::uint32_t edx = 0;
  asm volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
  DETENT_ASSERT(ebx >= 576 && "the processor has no XSAVE");
  return ebx;
}

unsigned char* allocate(std::size_t bytes) {
  const std::size_t size = (bytes + 63) & ~std::size_t{63};
  auto* memory = static_cast<unsigned char*>(std::aligned_alloc(64, size));
  DETENT_ASSERT(memory != nullptr);
  std::memset(memory, 0, size);
  return memory;
}

constexpr std::uint64_t kX87 = 1;
constexpr std::uint64_t kAvxBits = 7;
constexpr std::uint64_t kAvx512Bits = 0xe7;
constexpr std::size_t kMxcsrOffset = 24;
constexpr std::size_t kXmmOffset = 160;
constexpr std::size_t kHeaderOffset = 512;
constexpr std::size_t kMaskRegisters = 32 * 64;  // offset in the registers by hand

struct Cpuid {
  std::uint32_t eax, ebx, ecx, edx;
};
Cpuid cpuid(std::uint32_t leaf, std::uint32_t part) {
  Cpuid out{leaf, 0, part, 0};
  asm volatile("cpuid" : "+a"(out.eax), "=b"(out.ebx), "+c"(out.ecx), "=d"(out.edx));
  return out;
}

// Where an image has component `feature` (CPUID.0DH.n:EBX).
std::size_t offset_of(std::uint32_t feature) {
  static std::uint32_t offsets[8] = {};
  if (offsets[feature] == 0) offsets[feature] = cpuid(0xd, feature).ebx;
  return offsets[feature];
}

UserState::VectorMode choose_vector_mode() {
  const std::uint64_t features = read_xcr0();
  constexpr std::uint32_t kBw = 1U << 30;  // CPUID.7.0:EBX, 64-bit mask registers
  if (features == kAvx512Bits && (cpuid(7, 0).ebx & kBw) != 0)
    return UserState::VectorMode::kAvx512;
  return features == kAvxBits ? UserState::VectorMode::kAvx : UserState::VectorMode::kXsave;
}

std::size_t registers_size() {
  switch (UserState::vector_mode()) {
    case UserState::VectorMode::kAvx512:
      return kMaskRegisters + 8 * 8;
    case UserState::VectorMode::kAvx:
      return 16 * 32;
    default:
      return 64;
  }
}

void set_bits(unsigned char* image, std::uint64_t bits) {
  std::memcpy(image + kHeaderOffset, &bits, sizeof(bits));
}
std::uint64_t get_bits(const unsigned char* image) {
  std::uint64_t bits = 0;
  std::memcpy(&bits, image + kHeaderOffset, sizeof(bits));
  return bits;
}

bool has_xgetbv1() {
  static const bool has = (cpuid(0xd, 1).eax & 4) != 0;
  return has;
}

// XINUSE[0]: false means the initial state for sure.
bool x87_in_use() {
  if (!has_xgetbv1()) return true;
  std::uint32_t low = 0;
  std::uint32_t high = 0;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(1));
  return (low & kX87) != 0;
}

// XSAVE of the x87 state alone leaves the rest of the image, and its bits in XSTATE_BV, as they are.
void x87_to_image(unsigned char* image) {
  if (x87_in_use()) {
    asm volatile("xsave64 (%0)" : : "r"(image), "a"(1), "d"(0) : "memory");
  } else {
    set_bits(image, get_bits(image) & ~kX87);
  }
}

void x87_from_image(const unsigned char* image) {
  if ((get_bits(image) & kX87) == 0 && !x87_in_use()) return;
  asm volatile("xrstor64 (%0)" : : "r"(image), "a"(1), "d"(0) : "memory");
}

}  // namespace

std::uint32_t UserState::xsave_size() {
  static const std::uint32_t size = query_xsave_size();
  return size;
}

std::uint64_t UserState::xsave_features() {
  static const std::uint64_t features = read_xcr0();
  return features;
}

UserState::VectorMode UserState::vector_mode() {
  static const VectorMode mode = choose_vector_mode();
  return mode;
}

UserState::UserState() : xsave_(allocate(xsave_size())), registers_(allocate(registers_size())) {
  reset_vectors();
}

UserState::UserState(const UserState& other)
    : regs(other.regs), xsave_(allocate(xsave_size())), registers_(allocate(registers_size())) {
  std::memcpy(xsave_, other.xsave(), xsave_size());
}

UserState::~UserState() {
  if (detent_x87_owner == this) detent_x87_owner = nullptr;
  std::free(xsave_);
  std::free(registers_);
}

void UserState::to_image() const {
  if (by_hand_ != 0) registers_to_image();
  by_hand_ = 0;
  if (detent_x87_owner == this) {
    x87_to_image(xsave_);
    detent_x87_owner = nullptr;
  }
}

void UserState::registers_to_image() const {
  const bool wide = vector_mode() == VectorMode::kAvx512;
  const std::size_t stride = wide ? 64 : 32;
  for (std::size_t i = 0; i < 16; ++i) {
    const unsigned char* from = registers_ + i * stride;
    std::memcpy(xsave_ + kXmmOffset + i * 16, from, 16);
    std::memcpy(xsave_ + offset_of(2) + i * 16, from + 16, 16);
    if (wide) std::memcpy(xsave_ + offset_of(6) + i * 32, from + 32, 32);
  }
  if (wide) {
    std::memcpy(xsave_ + offset_of(7), registers_ + std::size_t{16} * 64, std::size_t{16} * 64);
    std::memcpy(xsave_ + offset_of(5), registers_ + kMaskRegisters, 64);
  }
  std::memcpy(xsave_ + kMxcsrOffset, &mxcsr_, sizeof(mxcsr_));
  const std::uint64_t vectors = (wide ? kAvx512Bits : kAvxBits) & ~kX87;
  set_bits(xsave_, (get_bits(xsave_) & kX87) | vectors);
}

void UserState::reset_vectors() {
  by_hand_ = 0;
  if (detent_x87_owner == this) detent_x87_owner = nullptr;
  std::memset(xsave_, 0, xsave_size());
  const std::uint16_t control_word = 0x37f;
  const std::uint32_t mxcsr = 0x1f80;
  std::memcpy(xsave_, &control_word, sizeof(control_word));
  std::memcpy(xsave_ + 24, &mxcsr, sizeof(mxcsr));
  // XSTATE_BV = x87 | SSE: take those two from the image, everything else initial.
  xsave_[512] = 3;
}

}  // namespace detent::arch

// Before the guest is entered whose vector registers are by hand and whose x87 state is not the processor's.
extern "C" void detent_switch_x87(detent::arch::UserState* to) {
  detent::arch::UserState::switch_x87(*to);
}
extern "C" void detent_save_x87() { detent::arch::UserState::save_x87_of_owner(); }

namespace detent::arch {

void UserState::save_x87_of_owner() {
  if (detent_x87_owner != nullptr) x87_to_image(detent_x87_owner->xsave_);
  detent_x87_owner = nullptr;
}

void UserState::switch_x87(UserState& to) {
  save_x87_of_owner();
  x87_from_image(to.xsave_);
  detent_x87_owner = &to;
}

std::uint64_t UserState::syscall_arg(int index) const {
  const std::uint64_t arguments[] = {regs.rdi, regs.rsi, regs.rdx, regs.r10, regs.r8, regs.r9};
  return arguments[index];
}

}  // namespace detent::arch

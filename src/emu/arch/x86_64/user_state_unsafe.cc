#include <cstdlib>
#include <cstring>

#include "detent/assert.h"
#include "emu/arch/x86_64/user_state.h"

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

unsigned char* allocate_image() {
  const std::size_t size = (UserState::xsave_size() + 63) & ~std::size_t{63};
  auto* image = static_cast<unsigned char*>(std::aligned_alloc(64, size));
  DETENT_ASSERT(image != nullptr);
  std::memset(image, 0, size);
  return image;
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

UserState::UserState() : xsave_(allocate_image()) { reset_vectors(); }

UserState::UserState(const UserState& other) : regs(other.regs), xsave_(allocate_image()) {
  std::memcpy(xsave_, other.xsave_, xsave_size());
}

UserState::~UserState() { std::free(xsave_); }

void UserState::reset_vectors() {
  std::memset(xsave_, 0, xsave_size());
  const std::uint16_t control_word = 0x37f;
  const std::uint32_t mxcsr = 0x1f80;
  std::memcpy(xsave_, &control_word, sizeof(control_word));
  std::memcpy(xsave_ + 24, &mxcsr, sizeof(mxcsr));
  // XSTATE_BV = x87 | SSE: take those two from the image, everything else initial.
  xsave_[512] = 3;
}

std::uint64_t UserState::syscall_arg(int index) const {
  const std::uint64_t arguments[] = {regs.rdi, regs.rsi, regs.rdx, regs.r10, regs.r8, regs.r9};
  return arguments[index];
}

}  // namespace detent::arch

// SigSet: 64 signal bits in the kernel's layout (bit n-1 is signal n). Source: sigset_t of
// arch/x86/include/uapi/asm/signal.h (8 bytes, not libc's 128).
#pragma once

#include <csignal>
#include <cstdint>

namespace detent::signal {

inline constexpr int kSignalCount = 64;

class SigSet {
 public:
  constexpr SigSet() = default;
  constexpr explicit SigSet(std::uint64_t bits) : bits_(bits) {}
  static constexpr SigSet of(int sig) { return SigSet(1ULL << (sig - 1)); }
  static constexpr SigSet all() { return SigSet(~0ULL); }

  [[nodiscard]] constexpr bool has(int sig) const { return (bits_ >> (sig - 1)) & 1; }
  [[nodiscard]] constexpr bool empty() const { return bits_ == 0; }
  [[nodiscard]] constexpr std::uint64_t bits() const { return bits_; }
  constexpr void add(int sig) { bits_ |= of(sig).bits_; }
  constexpr void remove(int sig) { bits_ &= ~of(sig).bits_; }

  friend constexpr bool operator==(SigSet, SigSet) = default;
  friend constexpr SigSet operator|(SigSet a, SigSet b) { return SigSet(a.bits_ | b.bits_); }
  friend constexpr SigSet operator&(SigSet a, SigSet b) { return SigSet(a.bits_ & b.bits_); }
  constexpr SigSet operator~() const { return SigSet(~bits_); }

 private:
  std::uint64_t bits_ = 0;
};

}  // namespace detent::signal

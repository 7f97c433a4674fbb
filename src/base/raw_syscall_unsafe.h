// raw_syscall: a host system call for the layers below emu, as a bare instruction. It touches
// neither errno nor TLS nor the vDSO; everything above uses emu/arch/x86_64/host_call.h.
#pragma once

#include <cstdint>

namespace detent::base {

/// Returns the host's raw answer (-4095..-1 are errors).
inline long raw_syscall(long number, std::uint64_t a0, std::uint64_t a1 = 0, std::uint64_t a2 = 0) {
  long answer = number;
  asm volatile("syscall" : "+a"(answer) : "D"(a0), "S"(a1), "d"(a2) : "rcx", "r11", "memory");
  return answer;
}

}  // namespace detent::base

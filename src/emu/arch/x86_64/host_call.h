// host_call: the kernel's own system calls to the host, as bare instructions.
//
// They touch neither errno nor TLS nor the vDSO, so they may be made from a signal handler, while the
// guest's FS base is loaded, and where the TSC is switched off. The seccomp filter lets them pass
// because the instruction lies inside the kernel image.
#pragma once

#include <cerrno>
#include <cstdint>

#include "detent/result.h"

namespace detent::arch {

/// Makes the call; returns the host's raw answer (-4095..-1 are errors).
long host_syscall(long nr, std::uint64_t a0 = 0, std::uint64_t a1 = 0, std::uint64_t a2 = 0,
                  std::uint64_t a3 = 0, std::uint64_t a4 = 0, std::uint64_t a5 = 0);

/// As host_syscall, but returns -EINTR without blocking if a host signal has been recorded and not yet
/// drained (see interrupts.h): no signal can slip in between a check and the wait.
long host_syscall_interruptible(long nr, std::uint64_t a0 = 0, std::uint64_t a1 = 0,
                                std::uint64_t a2 = 0, std::uint64_t a3 = 0, std::uint64_t a4 = 0,
                                std::uint64_t a5 = 0);

/// A raw answer as a Result.
constexpr Result<long> to_result(long raw) {
  if (raw < 0 && raw >= -4095) return Errno{static_cast<int>(-raw)};
  return raw;
}

inline std::uint64_t host_arg(const volatile void* pointer) {
  return reinterpret_cast<std::uint64_t>(pointer);
}
inline std::uint64_t host_arg(std::int64_t value) { return static_cast<std::uint64_t>(value); }

/// Typed front: pointers and integers in any mix.
template <class... Args>
Result<long> host_call(long nr, Args... args) {
  return to_result(host_syscall(nr, host_arg(args)...));
}

/// The same for a call that a host signal may end though it does not wait, or whose wait no signal concerns:
/// made again until it is not interrupted.
template <class... Args>
Result<long> host_call_to_the_end(long nr, Args... args) {
  long answer = host_syscall(nr, host_arg(args)...);
  while (answer == -EINTR) answer = host_syscall(nr, host_arg(args)...);
  return to_result(answer);
}

}  // namespace detent::arch

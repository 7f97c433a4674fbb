// DETENT_ASSERT: invariants of the kernel. They stay on in release builds: a kernel that goes on
// after a broken invariant would corrupt the guest's view of Linux silently.
#pragma once

namespace detent {

/// Reports the broken invariant on stderr and ends the process with exit code 125.
[[noreturn]] void assertion_failed(const char* expression, const char* file, int line);

}  // namespace detent

#define DETENT_ASSERT(expression)                     \
  (__builtin_expect(static_cast<bool>(expression), 1) \
       ? static_cast<void>(0)                         \
       : ::detent::assertion_failed(#expression, __FILE__, __LINE__))

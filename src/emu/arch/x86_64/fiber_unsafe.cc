#include "emu/arch/x86_64/fiber_unsafe.h"

#include <cstdint>

#include "detent/assert.h"

// Pushes what the C ABI wants kept, stores rsp in *left, takes it from `to`, and pops. It leaves MXCSR and
// the x87 control word alone: the former is the kernel's on every fiber, the latter the guest's (UserState).
extern "C" void detent_switch_fiber(void** left, void* to);
extern "C" void detent_start_fiber();

extern "C" [[noreturn]] void detent_run_fiber(void (*entry)(void*), void* argument) {
  entry(argument);
  DETENT_ASSERT(false && "a fiber's entry returned");
  __builtin_unreachable();
}

namespace detent::arch {

Fiber::Fiber(void* stack_top, void (*entry)(void*), void* argument) {
  // As detent_switch_fiber leaves it: r15, r14, r13, r12, rbx, rbp, then where to go on.
  auto* words = static_cast<std::uint64_t*>(stack_top) - 8;
  for (int i = 0; i < 8; ++i) words[i] = 0;
  words[2] = reinterpret_cast<std::uint64_t>(argument);
  words[3] = reinterpret_cast<std::uint64_t>(entry);
  words[6] = reinterpret_cast<std::uint64_t>(detent_start_fiber);
  context_ = words;
}

void Fiber::switch_to(Fiber& from, Fiber& to) { detent_switch_fiber(&from.context_, to.context_); }

}  // namespace detent::arch

// The vector and x87 part of a signal frame. Source: arch/x86/kernel/fpu/signal.c; Intel SDM vol. 1,
// 13.4 "XSAVE area" and 13.8.1 "standard form of XRSTOR" (when it faults).
#pragma once

#include <cstdint>

#include "detent/result.h"
#include "emu/arch/x86_64/user_state.h"

namespace detent::signal {

/// Bytes that save_vectors() needs below a stack pointer, without the gap for alignment.
std::uint64_t vector_frame_size(const arch::UserState& state);

/// Writes the image to guest memory at `address`, a multiple of 64. EFAULT if it can't be written.
Result<void> save_vectors(arch::UserState& state, std::uint64_t address);

/// Loads what a handler left in the image at `address`; 0 means the initial state. EFAULT if the image
/// can't be read or the processor would not take it; the state is then the initial one.
Result<void> restore_vectors(arch::UserState& state, std::uint64_t address);

}  // namespace detent::signal

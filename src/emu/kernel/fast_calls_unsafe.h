// Fast calls: the few system calls that are answered at a patched site without entering the kernel proper.
//
// They run on the task's kernel stack with the guest's FS base and vector registers in place, so their
// code may touch neither: it is compiled for general registers only, uses no thread-local variable, and
// calls nothing that does (tests/patch/check_general_registers.py looks at the machine code). They make no
// host call, allocate nothing, never block and never switch. What is not plain they decline, with no
// effect; the call is then served as any other.
//
// Only where nobody can tell the difference: real time, Linux's own order, no trace of calls. Every
// 64th is declined, so that due timers are seen to.
#pragma once

#include <cstdint>

#include "waitq/futex_table.h"

namespace detent::emu {

/// From now on fast calls are answered. `futexes` outlives the process.
void enable_fast_calls(waitq::FutexTable& futexes);
/// The thread that is about to run is `tid`.
void set_fast_tid(std::int32_t tid);
/// How many calls of `number` were answered; for --stats.
std::uint64_t fast_calls_made(long number);

}  // namespace detent::emu

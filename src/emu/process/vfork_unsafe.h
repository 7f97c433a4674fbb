// vfork: the child runs in the parent's memory until it execs or exits, and what it does to that memory
// stays (posix_spawn reports errors that way). The kernel's own state must not stay: it lives in the
// same memory, so it is copied aside before and put back when the parent goes on.
#pragma once

#include <cstdint>

#include "detent/result.h"
#include "emu/task/task.h"

namespace detent::process {

/// Called on `task`'s kernel stack, with host signals held back (arch::HostSignalsBlocked). Returns 0
/// in the child; in the parent the child's pid, once it has exec'ed or ended. The parent's other tasks
/// stand still meanwhile (docs/limitations.md).
Result<long> host_vfork(Task& task, std::uint64_t exit_signal);

}  // namespace detent::process

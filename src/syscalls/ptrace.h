// ptrace(2) by a process that shares its tracee's memory (process/vm_clones.h): enough to stop threads and
// to look at their registers, as LeakSanitizer does. Anything else is ENOSYS, with a warning.
#pragma once

#include <cstdint>

#include "detent/result.h"
#include "emu/task/task.h"

namespace detent::syscalls {

/// PTRACE_ATTACH, DETACH, GETREGS and GETREGSET (NT_PRSTATUS). EPERM for a thread of the caller's own
/// process or one that has a tracer; ESRCH for one that the caller does not trace; EINVAL for another
/// register set.
Result<long> sys_ptrace(Task& task, int request, int pid, std::uint64_t address,
                        std::uint64_t data);

}  // namespace detent::syscalls

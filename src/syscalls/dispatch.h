// From a trapped system call to its adapter and back. The only place where an Errno becomes negative.
#pragma once

#include <optional>

#include "detent/result.h"
#include "emu/task/task.h"

namespace detent::syscalls {

/// Serves the system call in task.user: see Kernel::Dispatch. A call of a foreign ABI (int 0x80, x32) is
/// ENOSYS.
std::optional<Errno> dispatch(Task& task, bool foreign_abi);

}  // namespace detent::syscalls

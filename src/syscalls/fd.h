// File descriptors as numbers: close, dup, fcntl, ioctl, pipe, flock.
#pragma once

#include <cstdint>

#include "detent/ids.h"
#include "detent/result.h"
#include "detent/user_ptr.h"
#include "emu/task/task.h"

namespace detent::syscalls {

Result<long> sys_close(Task& task, Fd fd);
Result<long> sys_close_range(Task& task, std::uint32_t first, std::uint32_t last,
                             std::uint32_t flags);
Result<long> sys_dup(Task& task, Fd fd);
Result<long> sys_dup2(Task& task, Fd from, Fd to);
Result<long> sys_dup3(Task& task, Fd from, Fd to, int flags);
Result<long> sys_fcntl(Task& task, Fd fd, int command, std::uint64_t argument);
Result<long> sys_ioctl(Task& task, Fd fd, std::uint32_t request, std::uint64_t argument);
Result<long> sys_pipe(Task& task, UserPtr<std::int32_t> fds);
Result<long> sys_pipe2(Task& task, UserPtr<std::int32_t> fds, int flags);
Result<long> sys_flock(Task& task, Fd fd, int operation);

}  // namespace detent::syscalls

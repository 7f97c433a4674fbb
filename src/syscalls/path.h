// Calls that take a path which may name the guest's own executable: /proc/self/exe must show the guest,
// not detent. Opening a FIFO is here too, since it may block.
#pragma once

#include <cstdint>

#include "detent/ids.h"
#include "detent/result.h"
#include "detent/user_ptr.h"
#include "emu/task/task.h"

namespace detent::syscalls {

Result<long> sys_open(Task& task, UserPtr<const char> path, int flags, std::uint32_t mode);
Result<long> sys_openat(Task& task, Fd dir, UserPtr<const char> path, int flags,
                        std::uint32_t mode);
Result<long> sys_stat(Task& task, UserPtr<const char> path, std::uint64_t status);
Result<long> sys_newfstatat(Task& task, Fd dir, UserPtr<const char> path, std::uint64_t status,
                            int flags);
Result<long> sys_access(Task& task, UserPtr<const char> path, int mode);
Result<long> sys_faccessat(Task& task, Fd dir, UserPtr<const char> path, int mode);
Result<long> sys_faccessat2(Task& task, Fd dir, UserPtr<const char> path, int mode, int flags);
Result<long> sys_statx(Task& task, Fd dir, UserPtr<const char> path, int flags, std::uint32_t mask,
                       std::uint64_t status);
Result<long> sys_readlink(Task& task, UserPtr<const char> path, std::uint64_t buffer, int size);
Result<long> sys_readlinkat(Task& task, Fd dir, UserPtr<const char> path, std::uint64_t buffer,
                            int size);

/// Leaves the kernel's own fds out of /proc/self/fd and /proc/self/fdinfo, and adds the threads that the
/// host does not know to /proc/self/task.
Result<long> sys_getdents64(Task& task, Fd fd, std::uint64_t buffer, std::uint32_t size);
Result<long> sys_getdents(Task& task, Fd fd, std::uint64_t buffer, std::uint32_t size);

}  // namespace detent::syscalls

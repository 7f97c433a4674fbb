// read, write and their vector forms, over emulated and host files.
#pragma once

#include <cstdint>

#include "detent/ids.h"
#include "detent/result.h"
#include "emu/task/task.h"

namespace detent::syscalls {

Result<long> sys_read(Task& task, Fd fd, std::uint64_t buffer, std::uint64_t size);
Result<long> sys_write(Task& task, Fd fd, std::uint64_t buffer, std::uint64_t size);
Result<long> sys_readv(Task& task, Fd fd, std::uint64_t vector, std::uint64_t count);
Result<long> sys_writev(Task& task, Fd fd, std::uint64_t vector, std::uint64_t count);

}  // namespace detent::syscalls

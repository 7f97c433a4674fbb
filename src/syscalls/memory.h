// Memory mappings: the host's, except that the guest cannot touch the kernel's own ranges, and brk.
#pragma once

#include <cstdint>

#include "detent/ids.h"
#include "detent/result.h"
#include "emu/task/task.h"

namespace detent::syscalls {

Result<long> sys_mmap(Task& task, std::uint64_t address, std::uint64_t size, int prot, int flags,
                      Fd fd, std::uint64_t offset);
Result<long> sys_mprotect(Task& task, std::uint64_t address, std::uint64_t size, int prot);
Result<long> sys_pkey_mprotect(Task& task, std::uint64_t address, std::uint64_t size, int prot,
                               int key);
Result<long> sys_mlockall(Task& task, int flags);
Result<long> sys_munmap(Task& task, std::uint64_t address, std::uint64_t size);
Result<long> sys_mremap(Task& task, std::uint64_t address, std::uint64_t old_size,
                        std::uint64_t new_size, int flags, std::uint64_t new_address);
Result<long> sys_madvise(Task& task, std::uint64_t address, std::uint64_t size, int advice);
Result<long> sys_brk(Task& task, std::uint64_t end);

}  // namespace detent::syscalls

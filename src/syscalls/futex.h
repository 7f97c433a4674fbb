// futex(2) and the robust list calls.
#pragma once

#include <cstdint>
#include <ctime>

#include "detent/result.h"
#include "detent/user_ptr.h"
#include "emu/task/task.h"

namespace detent::syscalls {

Result<long> sys_futex(Task& task, std::uint64_t uaddr, int op, std::uint32_t val,
                       std::uint64_t timeout_or_val2, std::uint64_t uaddr2, std::uint32_t val3);
Result<long> sys_set_robust_list(Task& task, std::uint64_t head, std::uint64_t size);
Result<long> sys_get_robust_list(Task& task, int tid, UserPtr<std::uint64_t> head,
                                 UserPtr<std::uint64_t> size);

/// Wakes up to `count` waiters of the futex at `uaddr`, as the kernel does for CLEARTID (shared key).
void wake_futex_at_exit(Task& task, std::uint64_t uaddr);

}  // namespace detent::syscalls

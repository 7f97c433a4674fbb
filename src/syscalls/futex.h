// futex(2), the futex2 calls and the robust list calls.
#pragma once

#include <cstdint>

#include "detent/result.h"
#include "detent/user_ptr.h"
#include "emu/task/task.h"

namespace detent::syscalls {

Result<long> sys_futex(Task& task, std::uint64_t uaddr, int op, std::uint32_t val,
                       std::uint64_t timeout_or_val2, std::uint64_t uaddr2, std::uint32_t val3);
Result<long> sys_set_robust_list(Task& task, std::uint64_t head, std::uint64_t size);
Result<long> sys_get_robust_list(Task& task, int tid, UserPtr<std::uint64_t> head,
                                 UserPtr<std::uint64_t> size);

// futex2.cc
Result<long> sys_futex_waitv(Task& task, std::uint64_t waiters, std::uint32_t count,
                             std::uint32_t flags, std::uint64_t timeout, int clock);
Result<long> sys_futex_wake(Task& task, std::uint64_t uaddr, std::uint64_t mask, int count,
                            std::uint32_t flags);
Result<long> sys_futex_wait(Task& task, std::uint64_t uaddr, std::uint64_t value,
                            std::uint64_t mask, std::uint32_t flags, std::uint64_t timeout,
                            int clock);
Result<long> sys_futex_requeue(Task& task, std::uint64_t waiters, std::uint32_t flags, int wake,
                               int move);

}  // namespace detent::syscalls

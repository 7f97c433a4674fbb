// Which futex a guest address names. Source: get_futex_key() in kernel/futex/core.c.
#pragma once

#include <cstdint>

#include "detent/result.h"
#include "emu/task/task.h"
#include "waitq/futex_table.h"

namespace detent::emu {

/// Where a futex word lies and who may share it.
struct FutexAddress {
  std::uint64_t uaddr = 0;
  bool is_private = false;
  bool numa = false;  ///< futex2's FUTEX2_NUMA: the node's number follows the word
};

enum class FutexAccess : std::uint8_t { kRead, kWrite };

/// A private futex is named by its address alone, which need not even be mapped; a shared one by
/// the object that lies there. The two never meet, nor does a NUMA futex meet a plain one. EINVAL:
/// not aligned, or no such node; EFAULT: not an address of the user, or (shared only) not
/// accessible.
Result<waitq::FutexKey> futex_key(Task& task, const FutexAddress& address, FutexAccess access);

/// True if `key` lies in an object that other processes may map.
[[nodiscard]] bool is_shared_object(const waitq::FutexKey& key);
/// True if its waiters are in the table of the session (sched/shared_futexes_unsafe.h) rather than
/// in this process's.
[[nodiscard]] bool is_in_session(Task& task, const waitq::FutexKey& key);

}  // namespace detent::emu

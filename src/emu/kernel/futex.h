// futex(2): waiting, waking, requeueing. The adapters in src/syscalls/futex*.cc decode; PI futexes
// are in futex_pi.h.
//
// Nothing runs between the comparison of a word and the queueing of the waiter, so no wake-up can
// be lost. Source: kernel/futex/waitwake.c, requeue.c; docs/abi/futex.md has the surprises.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "detent/result.h"
#include "emu/kernel/futex_key.h"
#include "emu/sched/scheduler.h"
#include "emu/task/task.h"
#include "waitq/futex_table.h"

namespace detent::emu {

class Kernel;

struct FutexWait {
  FutexAddress at;
  std::uint32_t expected = 0;
  std::uint32_t bitset = waitq::kMatchAny;
};

/// Waits while the word is `wait.expected`, until a wake meets the bitset. 0, EAGAIN (another
/// value), EINVAL (no bits), ETIMEDOUT, kRestartSys. A wake that was booked on the waiter wins over
/// a deadline or a signal at the same time.
Result<long> futex_wait(Task& task, const FutexWait& wait, std::optional<sched::Deadline> deadline);

/// futex_waitv(2): waits on all words at once. The index of the (last) one that was woken; errors
/// as above, from the first word that has one.
Result<long> futex_wait_any(Task& task, std::span<const FutexWait> waits,
                            std::optional<sched::Deadline> deadline);

/// Wakes up to `count` waiters whose bitset meets `bitset` (EINVAL if it is 0), at least one.
Result<long> futex_wake(Task& task, const FutexAddress& at, std::uint32_t count,
                        std::uint32_t bitset);

struct FutexRequeue {
  FutexAddress from;
  FutexAddress to;
  std::int32_t wake_count = 0;
  std::int32_t move_count = 0;
  std::optional<std::uint32_t> expected;  ///< FUTEX_CMP_REQUEUE
};
/// Wakes some waiters and moves others; the sum of both.
Result<long> futex_requeue(Task& task, const FutexRequeue& request);

/// The first fork: waiters at shared objects go to the table of the session.
void export_futex_waiters(Kernel& kernel);
/// Wakes waiters of this process at futexes whose owner was killed: the host marked the word, and
/// nobody else woke them.
void wake_orphaned_futexes(Kernel& kernel);

/// FUTEX_WAKE_OP: changes the word at `second` as `encoded` says, and wakes waiters there too if
/// its old value compares.
Result<long> futex_wake_op(Task& task, const FutexAddress& first, const FutexAddress& second,
                           std::uint32_t count, std::uint32_t count2, std::uint32_t encoded);

}  // namespace detent::emu

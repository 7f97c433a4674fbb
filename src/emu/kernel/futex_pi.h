// PI futexes: futex(2) LOCK_PI, UNLOCK_PI, WAIT_REQUEUE_PI, CMP_REQUEUE_PI. The word names the
// owner; order, inheritance and deadlocks are waitq::PiMutex's. Source: kernel/futex/pi.c and
// requeue.c; the states of the word are in docs/abi/futex.md.
//
//   unlock by the owner, waiters queued         lock by another task at that time
//   word := next's tid | WAITERS
//   next is the owner, dequeued, ready          sees next's tid: queues behind it, however late next runs
#pragma once

#include <cstdint>
#include <optional>

#include "detent/result.h"
#include "emu/kernel/futex.h"

namespace detent::emu {

class Kernel;

/// Locks, waiting if need be. A time-out is ETIMEDOUT; a signal always restarts the call
/// (kRestartNoIntr). EDEADLK: the caller owns it, or would wait for itself; ESRCH: the owner is
/// gone; EPERM: the owner is a process that does not share this private futex; EINVAL: the word
/// contradicts what waiters say, or they wait in another way.
Result<long> futex_lock_pi(Task& task, const FutexAddress& at,
                           std::optional<sched::Deadline> deadline);
/// The same without waiting: EAGAIN.
Result<long> futex_trylock_pi(Task& task, const FutexAddress& at);
/// Hands the futex to the first waiter, or frees it. EPERM: not the caller's.
Result<long> futex_unlock_pi(Task& task, const FutexAddress& at);

/// Waits at `at` to be moved to the PI futex `target`; returns 0 owning that. A signal restarts the
/// call before the move, and is EAGAIN after it.
Result<long> futex_wait_requeue_pi(Task& task, const FutexWait& wait, const FutexAddress& target,
                                   std::optional<sched::Deadline> deadline);
/// Moves waiters to the PI futex `request.to`, taking it for the first one if it is free.
/// wake_count must be 1.
Result<long> futex_requeue_pi(Task& task, const FutexRequeue& request);

/// If `waiter`, of this process, waits for a PI futex whose owner was killed, hands that to its
/// first waiter. True if so.
bool adopt_orphaned_pi(Kernel& kernel, waitq::FutexWaiter& waiter);

/// The end of a task, after its robust list: what it owns goes to the first waiters, with FUTEX_OWNER_DIED.
void release_pi_futexes(Task& task);

}  // namespace detent::emu

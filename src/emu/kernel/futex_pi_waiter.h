// What futex_pi.cc and futex_pi_shared.cc share: the waiter, and the parts of the protocol that do
// not depend on where the waiters are. Included by those two only.
#pragma once

#include <cstdint>
#include <optional>

#include "emu/kernel/futex_pi.h"
#include "waitq/pi_mutex.h"

namespace detent::emu::pi {

std::uint32_t id_of(const Task& task);

/// A task that waits for a PI futex, or to be moved to one; lives on its kernel stack.
class PiTaskWaiter final : public waitq::FutexWaiter, public waitq::PiWaiter {
 public:
  PiTaskWaiter(Task& task, waitq::FutexKey key, Kind kind, const FutexAddress& pi_futex,
               waitq::FutexKey pi_key);

  /// Owner of the PI futex from now on.
  void grant();
  /// Gives up a wait that was not granted. The kind it had become: kPi after a move.
  Kind leave();
  /// Waits until granted, or for as long as it may.
  sched::Wake park(std::optional<sched::Deadline> deadline);

  Task& owner;
  FutexAddress target;  ///< the PI futex, as this task sees it
  waitq::FutexKey target_key;
  bool granted = false;

 private:
  void on_wake() override { grant(); }
  void on_export() override;
};

/// Replaces `old` in the word. EAGAIN: another process changed it meanwhile.
Result<void> update(std::uint64_t uaddr, std::uint32_t old, std::uint32_t desired);
/// The word of a futex whose owner died and which `task` has got.
void mark_owner_died(std::uint64_t uaddr, const Task& task);
/// What waiters know of the owner, `owner`, has to agree with the word: EINVAL.
Result<void> check_agreement(std::uint32_t word, std::uint32_t owner);
/// The owner is not a task of this process: it has to live in another one, with which the futex is
/// shared. ESRCH, EPERM.
Result<void> check_foreign_owner(Task& task, std::uint32_t id, bool is_private);

/// The operations of futex_pi.h where the session's table has the waiters.
Result<long> lock_in_session(Task& task, const FutexAddress& at, waitq::FutexKey key,
                             std::optional<sched::Deadline> deadline);
Result<long> trylock_in_session(Task& task, const FutexAddress& at, waitq::FutexKey key);
Result<long> unlock_in_session(Task& task, const FutexAddress& at, waitq::FutexKey key);
Result<void> queue_for_requeue_in_session(PiTaskWaiter& waiter, const FutexWait& wait);
Result<long> requeue_in_session(Task& task, const FutexRequeue& request, waitq::FutexKey from,
                                waitq::FutexKey to);
void release_in_session(Task& task);

}  // namespace detent::emu::pi

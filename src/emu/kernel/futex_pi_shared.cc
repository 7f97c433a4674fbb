// PI futexes whose waiters are in the table of the session: the protocol of futex_pi.cc, with tids
// for owners. Two processes may change the word at once, so every change is an exchange, and all is
// done under the table's lock.
#include <linux/futex.h>

#include "emu/kernel/futex_pi_waiter.h"
#include "emu/kernel/kernel.h"
#include "emu/mem/user_copy_unsafe.h"

namespace detent::emu::pi {
namespace {

using sched::SharedFutexes;
using sched::Wake;
using waitq::FutexKey;
using waitq::FutexWaiter;
using Slot = SharedFutexes::Slot;

SharedFutexes& table_of(Task& task) { return task.kernel().shared_futexes(); }

template <class F>
auto locked(Task& task, F change) {
  const auto done = [&] {
    const SharedFutexes::Lock held(table_of(task));
    return change(table_of(task));
  }();
  table_of(task).ring();
  table_of(task).take_woken();
  return done;
}

// Takes the futex for the task of tid `id` (0 is the answer), or says who owns it.
Result<std::uint32_t> try_lock(Task& task, std::uint32_t id, const FutexAddress& at, FutexKey key,
                               bool force_waiters) {
  const std::uint32_t word = TRY(mem::load_u32(at.uaddr));
  const std::uint32_t owner = word & FUTEX_TID_MASK;
  if (owner == id) return Errno{EDEADLK};
  if (const Slot* first = table_of(task).first(key)) {
    if (first->kind != FutexWaiter::Kind::kPi) return Errno{EINVAL};
    TRY(check_agreement(word, first->owner));
    return first->owner;
  }
  if (owner == 0) {
    const std::uint32_t waiters = force_waiters ? FUTEX_WAITERS : 0;
    TRY(update(at.uaddr, word, (word & FUTEX_OWNER_DIED) | id | waiters));
    return 0U;
  }
  TRY(update(at.uaddr, word, word | FUTEX_WAITERS));
  if (task.process().find(static_cast<Tid>(owner)) == nullptr) {
    TRY(check_foreign_owner(task, owner, at.is_private));
  }
  return owner;
}

Result<std::uint32_t> lock_or_attach(Task& task, std::uint32_t id, const FutexAddress& at,
                                     FutexKey key, bool force_waiters = false) {
  for (;;) {
    const Result<std::uint32_t> tried = try_lock(task, id, at, key, force_waiters);
    if (tried.ok() || tried.error() != Errno{EAGAIN}) return tried;
  }
}

// Chains that leave the session's table, for a futex that one process keeps to itself, are not followed.
Result<void> check_deadlock(Task& task, std::uint32_t id, std::uint32_t owner) {
  for (unsigned depth = 0; depth <= waitq::kMaxPiChain; ++depth) {
    if (owner == id) return Errno{EDEADLK};
    const Slot* blocked = table_of(task).blocked_task(owner);
    if (blocked == nullptr) return {};
    owner = blocked->owner;
  }
  return Errno{EDEADLK};
}

Result<bool> lock_or_queue(Task& task, const FutexAddress& at, FutexKey key, PiTaskWaiter& waiter) {
  const std::uint32_t owner = TRY(lock_or_attach(task, id_of(task), at, key));
  if (owner == 0) return true;
  TRY(check_deadlock(task, id_of(task), owner));
  TRY(table_of(task).add(waiter))->owner = owner;
  return false;
}

void hand_over(SharedFutexes& table, Slot& next, bool owner_died) {
  const FutexKey key = next.key;
  const std::uint32_t owner = next.tid;
  next.owner_died = owner_died;
  table.wake(next);
  table.set_owner(key, owner);
}

}  // namespace

Result<long> lock_in_session(Task& task, const FutexAddress& at, FutexKey key,
                             std::optional<sched::Deadline> deadline) {
  PiTaskWaiter waiter(task, key, FutexWaiter::Kind::kPi, at, key);
  const bool got =
      TRY(locked(task, [&](SharedFutexes&) { return lock_or_queue(task, at, key, waiter); }));
  if (got) return 0;
  const Wake wake = waiter.park(deadline);
  if (!waiter.granted) waiter.leave();
  if (!waiter.granted) return wake == Wake::kTimedOut ? Errno{ETIMEDOUT} : kRestartNoIntr;
  if (waiter.owner_died) mark_owner_died(at.uaddr, task);
  return 0;
}

Result<long> trylock_in_session(Task& task, const FutexAddress& at, FutexKey key) {
  const std::uint32_t owner =
      TRY(locked(task, [&](SharedFutexes&) { return lock_or_attach(task, id_of(task), at, key); }));
  if (owner != 0) return Errno{EAGAIN};
  return 0;
}

namespace {

Result<void> unlock(Task& task, SharedFutexes& table, const FutexAddress& at, FutexKey key) {
  for (;;) {
    const std::uint32_t word = TRY(mem::load_u32(at.uaddr));
    if ((word & FUTEX_TID_MASK) != id_of(task)) return Errno{EPERM};
    Slot* first = table.first(key);
    const bool is_pi = first != nullptr && first->kind == FutexWaiter::Kind::kPi;
    if (first != nullptr && (!is_pi || first->owner != id_of(task))) return Errno{EINVAL};
    const std::uint32_t next = first == nullptr ? 0 : FUTEX_WAITERS | first->tid;
    const Result<void> updated = update(at.uaddr, word, next);
    if (!updated.ok() && updated.error() == Errno{EAGAIN}) continue;
    TRY(updated);
    if (first != nullptr) hand_over(table, *first, false);
    return {};
  }
}

}  // namespace

Result<long> unlock_in_session(Task& task, const FutexAddress& at, FutexKey key) {
  TRY(locked(task, [&](SharedFutexes& table) { return unlock(task, table, at, key); }));
  return 0;
}

// The word that the waiter waits with is the condition's; that of the PI futex is looked at only
// once it was moved.
Result<void> queue_for_requeue_in_session(PiTaskWaiter& waiter, const FutexWait& wait) {
  SharedFutexes& table = table_of(waiter.owner);
  const SharedFutexes::Lock held(table);
  TRY(table.add(waiter))->target = waiter.target_key;
  const Result<std::uint32_t> word = mem::load_u32(wait.at.uaddr);
  if (word.ok() && word.value() == wait.expected && waiter.key() != waiter.target_key) return {};
  table.withdraw(waiter);
  if (!word.ok()) return word.error();
  return Errno{word.value() == wait.expected ? EINVAL : EAGAIN};
}

namespace {

Result<Slot*> next_to_move(SharedFutexes& table, FutexKey from, FutexKey to) {
  Slot* first = table.first(from);
  if (first == nullptr) return nullptr;
  if (first->kind != FutexWaiter::Kind::kRequeuePi || first->target != to) return Errno{EINVAL};
  return first;
}

Result<long> requeue(Task& task, SharedFutexes& table, const FutexRequeue& request, FutexKey from,
                     FutexKey to) {
  if (TRY(mem::load_u32(request.from.uaddr)) != *request.expected) return Errno{EAGAIN};
  TRY(mem::load_u32(request.to.uaddr));
  Slot* next = TRY(next_to_move(table, from, to));
  if (next == nullptr) return 0;
  std::uint32_t owner =
      TRY(lock_or_attach(task, next->tid, request.to, to, request.move_count != 0));
  long done = 0;
  std::int64_t left = std::int64_t{request.move_count} + 1;
  if (owner == 0) {
    owner = next->tid;
    table.wake(*next);
    ++done;
    --left;
  }
  for (; left > 0; --left) {
    next = TRY(next_to_move(table, from, to));
    if (next == nullptr) break;
    TRY(check_deadlock(task, next->tid, owner));
    table.move_to_pi(*next, to, owner);
    ++done;
  }
  return done;
}

}  // namespace

Result<long> requeue_in_session(Task& task, const FutexRequeue& request, FutexKey from,
                                FutexKey to) {
  return locked(task,
                [&](SharedFutexes& table) { return requeue(task, table, request, from, to); });
}

void release_in_session(Task& task) {
  SharedFutexes& table = table_of(task);
  {
    const SharedFutexes::Lock held(table);
    while (const Slot* waiter = table.waiter_for(id_of(task))) {
      const FutexKey key = waiter->key;
      if (Slot* next = table.first(key)) hand_over(table, *next, true);
    }
  }
  table.ring();
  table.take_woken();
}

}  // namespace detent::emu::pi

namespace detent::emu {

// The host took the tid out of the word (robust list), or the owner's process is gone without
// having marked it.
bool adopt_orphaned_pi(Kernel& kernel, waitq::FutexWaiter& waiter) {
  Task& task = static_cast<pi::PiTaskWaiter&>(waiter).owner;
  sched::SharedFutexes& table = kernel.shared_futexes();
  const Result<std::uint32_t> word = mem::load_u32(waiter.uaddr);
  const sched::SharedFutexes::Lock held(table);
  if (!word.ok() || !table.is_waiting(waiter)) return false;
  const sched::SharedFutexes::Slot& slot = table.slot_of(waiter);
  if (slot.kind != waitq::FutexWaiter::Kind::kPi) return false;
  const bool marked = (word.value() & FUTEX_TID_MASK) == 0;
  const bool own = kernel.process().find(static_cast<Tid>(slot.owner)) != nullptr;
  if (!marked && (own || pi::check_foreign_owner(task, slot.owner, false).ok())) return false;
  sched::SharedFutexes::Slot* next = table.first(slot.key);
  if (next == nullptr) return false;
  pi::hand_over(table, *next, true);
  return true;
}

}  // namespace detent::emu

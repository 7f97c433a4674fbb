#include "emu/kernel/futex_pi.h"

#include <linux/futex.h>
#include <sys/syscall.h>

#include <algorithm>
#include <memory>
#include <variant>

#include "emu/arch/x86_64/host_call.h"
#include "emu/kernel/futex_pi_waiter.h"
#include "emu/kernel/kernel.h"
#include "emu/mem/user_copy_unsafe.h"

namespace detent::emu {

using pi::id_of;
using pi::PiTaskWaiter;
using sched::Wake;
using waitq::FutexKey;
using waitq::FutexWaiter;
using waitq::PiMutex;

namespace pi {

std::uint32_t id_of(const Task& task) { return static_cast<std::uint32_t>(raw(task.tid())); }

PiTaskWaiter::PiTaskWaiter(Task& task, FutexKey key, Kind kind, const FutexAddress& pi_futex,
                           FutexKey pi_key)
    : FutexWaiter(key, waitq::kMatchAny, task.pi.normal(), kind),
      PiWaiter(task.pi),
      owner(task),
      target(pi_futex),
      target_key(pi_key) {
  tid = id_of(task);
  uaddr = pi_futex.uaddr;
}

void PiTaskWaiter::grant() {
  granted = true;
  waitq::FutexTable::cancel(*this);
  FutexWaiter::mutex.reset();
  owner.kernel().scheduler().make_ready(owner);
}

FutexWaiter::Kind PiTaskWaiter::leave() {
  waitq::FutexTable::cancel(*this);
  if (PiWaiter::mutex() != nullptr) PiWaiter::mutex()->dequeue(*this);
  FutexWaiter::mutex.reset();
  return owner.kernel().shared_futexes().take_back(*this);
}

void PiTaskWaiter::on_export() {
  if (PiWaiter::mutex() != nullptr) PiWaiter::mutex()->dequeue(*this);
  FutexWaiter::mutex.reset();
}

Wake PiTaskWaiter::park(std::optional<sched::Deadline> deadline) {
  Wake wake = Wake::kWoken;
  while (!granted && wake == Wake::kWoken) {
    owner.waiting = {"futex", target.uaddr, Instant<Monotonic>()};
    wake = owner.kernel().scheduler().park(owner, deadline);
    owner.waiting = {};
  }
  return wake;
}

Result<void> update(std::uint64_t uaddr, std::uint32_t old, std::uint32_t desired) {
  if (TRY(mem::compare_exchange_u32(uaddr, old, desired)) != old) return Errno{EAGAIN};
  return {};
}

// The word may not be writable any more; the new owner finds that out itself.
void mark_owner_died(std::uint64_t uaddr, const Task& task) {
  const std::uint32_t desired = id_of(task) | FUTEX_WAITERS | FUTEX_OWNER_DIED;
  Result<std::uint32_t> word = mem::load_u32(uaddr);
  while (word.ok()) {
    const std::uint32_t old = word.value();
    word = mem::compare_exchange_u32(uaddr, old, desired);
    if (word.ok() && word.value() == old) return;
  }
}

// attach_to_pi_state(). An owner that is dying has left the word without a tid.
Result<void> check_agreement(std::uint32_t word, std::uint32_t owner) {
  const std::uint32_t id = word & FUTEX_TID_MASK;
  const bool owner_dying = (word & FUTEX_OWNER_DIED) != 0 && id == 0;
  if (!owner_dying && id != owner) return Errno{EINVAL};
  return {};
}

Result<void> check_foreign_owner(Task& task, std::uint32_t id, bool is_private) {
  process::Process& process = task.process();
  const std::int32_t slot = process.session_slot_of(static_cast<Tid>(id));
  const bool was_own = slot == task.kernel().session().slot();
  if (was_own || id == static_cast<std::uint32_t>(raw(process.pid()))) return Errno{ESRCH};
  const Result<long> host = arch::host_call(SYS_kill, static_cast<std::int64_t>(id), 0);
  const bool alive = slot >= 0 ? task.kernel().shared_futexes().other_process_has(slot)
                               : host.ok() || host.error() != Errno{ESRCH};
  if (!alive) return Errno{ESRCH};
  if (is_private) return Errno{EPERM};
  return {};
}

}  // namespace pi

namespace {

using MutexPtr = std::shared_ptr<PiMutex>;

// What one try to lock yields: the futex itself, or the mutex to wait for.
struct Locked {};
using LockTry = std::variant<Locked, MutexPtr>;

// attach_to_pi_state(): waiters exist, and they have to be of the right kind.
Result<LockTry> attach_to_waiters(const FutexWaiter& first, std::uint32_t word) {
  if (first.mutex == nullptr) return Errno{EINVAL};
  TRY(pi::check_agreement(word, first.mutex->owner_id()));
  return LockTry{first.mutex};
}

// attach_to_pi_owner(): the first waiter looks the owner up.
Result<LockTry> attach_to_owner(Task& task, std::uint32_t word, bool is_private) {
  const std::uint32_t id = word & FUTEX_TID_MASK;
  if (Task* owner = task.process().find(static_cast<Tid>(id))) {
    return LockTry{std::make_shared<PiMutex>(&owner->pi, id)};
  }
  TRY(pi::check_foreign_owner(task, id, is_private));
  return LockTry{std::make_shared<PiMutex>(nullptr, id)};
}

// futex_lock_pi_atomic(): takes the futex for `task` if it is free. `force_waiters`: the word is to
// say that there are waiters, since some are about to be moved here.
Result<LockTry> try_lock(Task& task, const FutexAddress& at, FutexKey key, bool force_waiters) {
  const std::uint32_t word = TRY(mem::load_u32(at.uaddr));
  if ((word & FUTEX_TID_MASK) == id_of(task)) return Errno{EDEADLK};
  if (const FutexWaiter* first = task.kernel().futexes().first(key)) {
    return attach_to_waiters(*first, word);
  }
  if ((word & FUTEX_TID_MASK) == 0) {
    const std::uint32_t waiters = force_waiters ? FUTEX_WAITERS : 0;
    TRY(pi::update(at.uaddr, word, (word & FUTEX_OWNER_DIED) | id_of(task) | waiters));
    return LockTry{Locked{}};
  }
  TRY(pi::update(at.uaddr, word, word | FUTEX_WAITERS));
  return attach_to_owner(task, word, at.is_private);
}

// The same until no other process is in between.
Result<LockTry> lock_or_attach(Task& task, const FutexAddress& at, FutexKey key,
                               bool force_waiters = false) {
  for (;;) {
    Result<LockTry> tried = try_lock(task, at, key, force_waiters);
    if (tried.ok() || tried.error() != Errno{EAGAIN}) return tried;
  }
}

PiTaskWaiter& top_of(PiMutex& mutex) { return static_cast<PiTaskWaiter&>(*mutex.top()); }

// The first waiter becomes the owner. The mutex is kept alive by the caller.
void hand_over(PiMutex& mutex) {
  PiTaskWaiter& next = top_of(mutex);
  mutex.hand_over(next, id_of(next.owner));
  next.grant();
}

}  // namespace

Result<long> futex_lock_pi(Task& task, const FutexAddress& at,
                           std::optional<sched::Deadline> deadline) {
  const FutexKey key = TRY(futex_key(task, at, FutexAccess::kWrite));
  if (is_in_session(task, key)) return pi::lock_in_session(task, at, key, deadline);
  LockTry tried = TRY(lock_or_attach(task, at, key));
  if (std::holds_alternative<Locked>(tried)) return 0;
  PiTaskWaiter waiter(task, key, FutexWaiter::Kind::kPi, at, key);
  waiter.FutexWaiter::mutex = std::move(std::get<MutexPtr>(tried));
  TRY(waiter.FutexWaiter::mutex->enqueue(waiter));
  task.kernel().futexes().enqueue(waiter);
  const Wake wake = waiter.park(deadline);
  if (!waiter.granted) waiter.leave();
  if (waiter.granted) return 0;
  return wake == Wake::kTimedOut ? Errno{ETIMEDOUT} : kRestartNoIntr;
}

Result<long> futex_trylock_pi(Task& task, const FutexAddress& at) {
  const FutexKey key = TRY(futex_key(task, at, FutexAccess::kWrite));
  if (is_in_session(task, key)) return pi::trylock_in_session(task, at, key);
  const LockTry tried = TRY(lock_or_attach(task, at, key));
  if (std::holds_alternative<Locked>(tried)) return 0;
  return Errno{EAGAIN};
}

Result<long> futex_unlock_pi(Task& task, const FutexAddress& at) {
  const std::uint32_t word = TRY(mem::copy_in(UserPtr<const std::uint32_t>(at.uaddr)));
  if ((word & FUTEX_TID_MASK) != id_of(task)) return Errno{EPERM};
  const FutexKey key = TRY(futex_key(task, at, FutexAccess::kWrite));
  if (is_in_session(task, key)) return pi::unlock_in_session(task, at, key);
  FutexWaiter* first = task.kernel().futexes().first(key);
  if (first == nullptr) {
    TRY(pi::update(at.uaddr, word, 0));
    return 0;
  }
  const MutexPtr mutex = first->mutex;
  if (mutex == nullptr || mutex->owner_id() != id_of(task)) return Errno{EINVAL};
  TRY(pi::update(at.uaddr, word, FUTEX_WAITERS | id_of(top_of(*mutex).owner)));
  hand_over(*mutex);
  return 0;
}

Result<long> futex_wait_requeue_pi(Task& task, const FutexWait& wait, const FutexAddress& target,
                                   std::optional<sched::Deadline> deadline) {
  if (wait.at.uaddr == target.uaddr) return Errno{EINVAL};
  const FutexKey target_key = TRY(futex_key(task, target, FutexAccess::kWrite));
  const FutexKey key = TRY(futex_key(task, wait.at, FutexAccess::kRead));
  PiTaskWaiter waiter(task, key, FutexWaiter::Kind::kRequeuePi, target, target_key);
  if (is_in_session(task, key)) {
    TRY(pi::queue_for_requeue_in_session(waiter, wait));
  } else {
    if (TRY(mem::load_u32(wait.at.uaddr)) != wait.expected) return Errno{EAGAIN};
    if (key == target_key) return Errno{EINVAL};
    task.kernel().futexes().enqueue(waiter);
  }
  const Wake wake = waiter.park(deadline);
  const bool moved = !waiter.granted && waiter.leave() == FutexWaiter::Kind::kPi;
  if (waiter.granted) {
    if (waiter.owner_died) pi::mark_owner_died(target.uaddr, task);
    return 0;
  }
  if (wake == Wake::kTimedOut) return Errno{ETIMEDOUT};
  return moved ? Errno{EAGAIN} : kRestartNoIntr;
}

namespace {

// The waiter that comes next at `from`, if it is one that waits for `to`; null if there is none.
Result<PiTaskWaiter*> next_to_move(Task& task, FutexKey from, FutexKey to) {
  FutexWaiter* first = task.kernel().futexes().first(from);
  if (first == nullptr) return nullptr;
  if (first->kind() != FutexWaiter::Kind::kRequeuePi) return Errno{EINVAL};
  auto* waiter = static_cast<PiTaskWaiter*>(first);
  if (waiter->target_key != to) return Errno{EINVAL};
  return waiter;
}

// Up to `count` waiters of `from` join the queue of `mutex`. `done` counts them, even where one is refused.
Result<void> move_waiters(Task& task, FutexKey from, FutexKey to, const MutexPtr& mutex,
                          std::int64_t count, long& done) {
  for (; count > 0; --count) {
    PiTaskWaiter* waiter = TRY(next_to_move(task, from, to));
    if (waiter == nullptr) return {};
    TRY(mutex->enqueue(*waiter));
    task.kernel().futexes().move_to_pi(*waiter, to, mutex);
    ++done;
  }
  return {};
}

}  // namespace

Result<long> futex_requeue_pi(Task& task, const FutexRequeue& request) {
  if (request.wake_count < 0 || request.move_count < 0) return Errno{EINVAL};
  if (request.from.uaddr == request.to.uaddr || request.wake_count != 1) return Errno{EINVAL};
  const FutexKey from = TRY(futex_key(task, request.from, FutexAccess::kRead));
  const FutexKey to = TRY(futex_key(task, request.to, FutexAccess::kWrite));
  if (from == to) return Errno{EINVAL};
  if (is_in_session(task, from)) return pi::requeue_in_session(task, request, from, to);
  if (TRY(mem::load_u32(request.from.uaddr)) != *request.expected) return Errno{EAGAIN};
  TRY(mem::load_u32(request.to.uaddr));
  PiTaskWaiter* first = TRY(next_to_move(task, from, to));
  if (first == nullptr) return 0;
  LockTry tried = TRY(lock_or_attach(first->owner, request.to, to, request.move_count != 0));
  long done = 0;
  std::int64_t left = std::int64_t{request.move_count} + 1;
  MutexPtr mutex;
  if (std::holds_alternative<Locked>(tried)) {
    Task& owner = first->owner;
    first->grant();
    ++done;
    --left;
    mutex = std::make_shared<PiMutex>(&owner.pi, id_of(owner));
  } else {
    mutex = std::move(std::get<MutexPtr>(tried));
  }
  TRY(move_waiters(task, from, to, mutex, left, done));
  return done;
}

void release_pi_futexes(Task& task) {
  while (PiMutex* mutex = task.pi.first_owned()) {
    PiTaskWaiter& next = top_of(*mutex);
    const MutexPtr kept = next.FutexWaiter::mutex;
    pi::mark_owner_died(next.target.uaddr, next.owner);
    hand_over(*mutex);
  }
  if (task.kernel().shared_futexes().active()) pi::release_in_session(task);
}

}  // namespace detent::emu

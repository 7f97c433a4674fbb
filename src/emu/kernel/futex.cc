#include "emu/kernel/futex.h"

#include <linux/futex.h>

#include <memory>
#include <vector>

#include "emu/kernel/futex_pi.h"
#include "emu/kernel/kernel.h"
#include "emu/mem/user_copy_unsafe.h"

namespace detent::emu {
namespace {

using sched::Wake;
using waitq::FutexKey;

// A task that waits for one or several words; lives on its kernel stack, or beside it in a vector
// that it points to.
class TaskFutexWaiter final : public waitq::FutexWaiter {
 public:
  TaskFutexWaiter(Task& task, FutexKey key, const FutexWait& wait)
      : FutexWaiter(key, wait.bitset, task.pi.normal()), task_(task) {
    uaddr = wait.at.uaddr;
    expected = wait.expected;
  }
  [[nodiscard]] bool woken() const { return woken_; }

 private:
  void on_wake() override {
    woken_ = true;
    task_.kernel().scheduler().make_ready(task_);
  }
  Task& task_;
  bool woken_ = false;
};

// Parks until `is_woken` or the end of the wait.
template <class Test>
Wake park(Task& task, const FutexWait& wait, std::optional<sched::Deadline> deadline,
          Test is_woken) {
  Wake wake = Wake::kWoken;
  while (!is_woken() && wake == Wake::kWoken) {
    task.waiting = {"futex", wait.at.uaddr, Instant<Monotonic>(), wait.expected};
    wake = task.kernel().scheduler().park(task, deadline);
    task.waiting = {};
  }
  return wake;
}

Errno reason(Wake wake) { return wake == Wake::kTimedOut ? Errno{ETIMEDOUT} : kRestartSys; }

// Linux counts after waking, so a count of zero or less wakes one.
unsigned at_least_one(std::uint32_t count) {
  return static_cast<std::int32_t>(count) <= 0 ? 1U : count;
}

Result<void> compare(std::uint64_t uaddr, std::uint32_t expected) {
  if (TRY(mem::load_u32(uaddr)) != expected) return Errno{EAGAIN};
  return {};
}

// In the session's table the waiter is counted first, so that a waker which sees no count has
// changed the word already.
Result<void> queue(Task& task, waitq::FutexWaiter& waiter) {
  if (!is_in_session(task, waiter.key())) {
    TRY(compare(waiter.uaddr, waiter.expected));
    task.kernel().futexes().enqueue(waiter);
    return {};
  }
  sched::SharedFutexes& shared = task.kernel().shared_futexes();
  const sched::SharedFutexes::Lock held(shared);
  TRY(shared.add(waiter));
  const Result<void> same = compare(waiter.uaddr, waiter.expected);
  if (!same.ok()) shared.withdraw(waiter);
  return same;
}

void leave_queue(Task& task, waitq::FutexWaiter& waiter) {
  waitq::FutexTable::cancel(waiter);
  task.kernel().shared_futexes().take_back(waiter);
}

// What is to be done with the session's table, and the telling of those who were woken.
template <class F>
Result<unsigned> with_session(Task& task, F change) {
  sched::SharedFutexes& shared = task.kernel().shared_futexes();
  const Result<unsigned> done = [&] {
    const sched::SharedFutexes::Lock held(shared);
    return change(shared);
  }();
  shared.ring();
  shared.take_woken();
  return done;
}

// futex(2): nothing is promised about which waiters are woken.
void choose_waiter(Task& task, FutexKey key, unsigned count) {
  trace::Chooser& chooser = task.kernel().chooser();
  if (!chooser.active()) return;
  waitq::FutexTable& futexes = task.kernel().futexes();
  const unsigned waiting = futexes.waiters(key);
  if (waiting > count) futexes.prefer(key, chooser.choose(trace::Choice::kWaiter, waiting));
}

Result<unsigned> wake_key(Task& task, FutexKey key, unsigned count, std::uint32_t bitset) {
  if (!is_in_session(task, key)) {
    choose_waiter(task, key, count);
    return task.kernel().futexes().wake(key, count, bitset);
  }
  if (!task.kernel().shared_futexes().maybe_waiting(key)) return 0U;
  return with_session(
      task, [&](sched::SharedFutexes& shared) { return shared.wake_plain(key, count, bitset); });
}

}  // namespace

Result<long> futex_wait(Task& task, const FutexWait& wait,
                        std::optional<sched::Deadline> deadline) {
  if (wait.bitset == 0) return Errno{EINVAL};
  const FutexKey key = TRY(futex_key(task, wait.at, FutexAccess::kRead));
  TaskFutexWaiter waiter(task, key, wait);
  TRY(queue(task, waiter));
  // futex(2), RETURN VALUE: a wait may end with 0 without a wake.
  if (task.kernel().chooser().choose(trace::Choice::kSpuriousWake, 2) != 0) {
    leave_queue(task, waiter);
    return 0;
  }
  const Wake wake = park(task, wait, deadline, [&] { return waiter.woken(); });
  leave_queue(task, waiter);
  if (waiter.woken()) return 0;
  return reason(wake);
}

namespace {

using Waiters = std::vector<std::unique_ptr<TaskFutexWaiter>>;

// Takes all out of their queues; the index of the last one that had been woken, or -1.
long leave(Task& task, Waiters& waiters) {
  long woken = -1;
  for (std::size_t i = 0; i < waiters.size(); ++i) {
    leave_queue(task, *waiters[i]);
    if (waiters[i]->woken()) woken = static_cast<long>(i);
  }
  return woken;
}

bool any_woken(const Waiters& waiters) {
  for (const auto& waiter : waiters) {
    if (waiter->woken()) return true;
  }
  return false;
}

}  // namespace

// Keys first, all of them, as futex_wait_multiple_setup() does: a bad address is told before a changed word.
Result<long> futex_wait_any(Task& task, std::span<const FutexWait> waits,
                            std::optional<sched::Deadline> deadline) {
  Waiters waiters;
  for (const FutexWait& wait : waits) {
    const FutexKey key = TRY(futex_key(task, wait.at, FutexAccess::kRead));
    waiters.push_back(std::make_unique<TaskFutexWaiter>(task, key, wait));
  }
  for (const auto& waiter : waiters) {
    const Result<void> queued = queue(task, *waiter);
    if (queued.ok()) continue;
    if (const long woken = leave(task, waiters); woken >= 0) return woken;
    return queued.error();
  }
  const Wake wake = park(task, waits.front(), deadline, [&] { return any_woken(waiters); });
  if (const long woken = leave(task, waiters); woken >= 0) return woken;
  return reason(wake);
}

Result<long> futex_wake(Task& task, const FutexAddress& at, std::uint32_t count,
                        std::uint32_t bitset) {
  if (bitset == 0) return Errno{EINVAL};
  const FutexKey key = TRY(futex_key(task, at, FutexAccess::kRead));
  return TRY(wake_key(task, key, at_least_one(count), bitset));
}

namespace {

Result<unsigned> requeue_in_session(Task& task, const FutexRequeue& request, FutexKey from,
                                    FutexKey to) {
  return with_session(task, [&](sched::SharedFutexes& shared) -> Result<unsigned> {
    if (request.expected) TRY(compare(request.from.uaddr, *request.expected));
    const unsigned woken =
        TRY(shared.wake_plain(from, static_cast<unsigned>(request.wake_count), waitq::kMatchAny));
    return woken + TRY(shared.move_plain(from, to, static_cast<unsigned>(request.move_count)));
  });
}

}  // namespace

Result<long> futex_requeue(Task& task, const FutexRequeue& request) {
  if (request.wake_count < 0 || request.move_count < 0) return Errno{EINVAL};
  const FutexKey from = TRY(futex_key(task, request.from, FutexAccess::kRead));
  const FutexKey to = TRY(futex_key(task, request.to, FutexAccess::kRead));
  const bool shared = is_in_session(task, from);
  if (shared && is_in_session(task, to)) return TRY(requeue_in_session(task, request, from, to));
  if (request.expected) TRY(compare(request.from.uaddr, *request.expected));
  const auto wake_count = static_cast<unsigned>(request.wake_count);
  const auto move_count = static_cast<unsigned>(request.move_count);
  // From one table to the other nobody can be moved: a spurious wake is what futex(2) allows instead.
  if (shared != is_in_session(task, to)) {
    return TRY(wake_key(task, from, wake_count + move_count, waitq::kMatchAny));
  }
  const waitq::FutexTable::Requeued done =
      TRY(task.kernel().futexes().requeue(from, to, wake_count, move_count));
  return done.woken + done.moved;
}

void export_futex_waiters(Kernel& kernel) {
  sched::SharedFutexes& shared = kernel.shared_futexes();
  const sched::SharedFutexes::Lock held(shared);
  kernel.futexes().for_each([&](waitq::FutexWaiter& waiter) {
    if (!is_shared_object(waiter.key())) return;
    const Result<sched::SharedFutexes::Slot*> slot = shared.add(waiter);
    if (!slot.ok()) return;  // more waiters than slots: they stay out of reach of other processes
    waitq::FutexTable::cancel(waiter);
    if (waiter.mutex != nullptr) slot.value()->owner = waiter.mutex->owner_id();
    waiter.on_export();
  });
}

namespace {

bool is_orphaned(const waitq::FutexWaiter& waiter) {
  const Result<std::uint32_t> word = mem::load_u32(waiter.uaddr);
  return word.ok() && (word.value() & FUTEX_OWNER_DIED) != 0 && word.value() != waiter.expected;
}

}  // namespace

void wake_orphaned_futexes(Kernel& kernel) {
  sched::SharedFutexes& shared = kernel.shared_futexes();
  bool orphaned_pi = false;
  shared.for_each_local([&](waitq::FutexWaiter& waiter) {
    if (waiter.kind() != waitq::FutexWaiter::Kind::kPlain) {
      orphaned_pi |= adopt_orphaned_pi(kernel, waiter);
      return;
    }
    if (!is_orphaned(waiter)) return;
    const sched::SharedFutexes::Lock held(shared);
    if (shared.is_waiting(waiter)) shared.wake(shared.slot_of(waiter));
  });
  if (orphaned_pi) shared.ring();
  shared.take_woken();
}

namespace {

std::int32_t sign_extend_12(std::uint32_t bits) {
  return static_cast<std::int32_t>(bits << 20) >> 20;
}

// futex(2) FUTEX_WAKE_OP: op 4 bits, comparison 4, argument 12, comparand 12.
struct WakeOp {
  explicit WakeOp(std::uint32_t encoded)
      : op((encoded >> 28) & 7),
        compare((encoded >> 24) & 15),
        argument(sign_extend_12((encoded >> 12) & 0xfff)),
        comparand(sign_extend_12(encoded & 0xfff)) {
    if ((encoded >> 28) & FUTEX_OP_OPARG_SHIFT) {
      argument = static_cast<std::int32_t>(1U << (static_cast<std::uint32_t>(argument) & 31));
    }
  }

  [[nodiscard]] Result<std::uint32_t> apply(std::uint32_t old) const {
    const auto value = static_cast<std::uint32_t>(argument);
    switch (op) {
      case FUTEX_OP_SET:
        return value;
      case FUTEX_OP_ADD:
        return old + value;
      case FUTEX_OP_OR:
        return old | value;
      case FUTEX_OP_ANDN:
        return old & ~value;
      case FUTEX_OP_XOR:
        return old ^ value;
      default:
        return Errno{ENOSYS};
    }
  }

  [[nodiscard]] Result<bool> matches(std::uint32_t word) const {
    const auto old = static_cast<std::int32_t>(word);
    switch (compare) {
      case FUTEX_OP_CMP_EQ:
        return old == comparand;
      case FUTEX_OP_CMP_NE:
        return old != comparand;
      case FUTEX_OP_CMP_LT:
        return old < comparand;
      case FUTEX_OP_CMP_GE:
        return old >= comparand;
      case FUTEX_OP_CMP_LE:
        return old <= comparand;
      case FUTEX_OP_CMP_GT:
        return old > comparand;
      default:
        return Errno{ENOSYS};
    }
  }

  std::uint32_t op;
  std::uint32_t compare;
  std::int32_t argument;
  std::int32_t comparand;
};

// Changes the word, which other processes may write at the same time; the value before.
// An unknown operation (ENOSYS) is told before an address that cannot be used.
Result<std::uint32_t> change_word(std::uint64_t uaddr, const WakeOp& operation) {
  TRY(operation.apply(0));
  std::uint32_t old = TRY(mem::load_u32(uaddr));
  for (;;) {
    const std::uint32_t updated = TRY(operation.apply(old));
    const std::uint32_t found = TRY(mem::compare_exchange_u32(uaddr, old, updated));
    if (found == old) return old;
    old = found;
  }
}

}  // namespace

Result<long> futex_wake_op(Task& task, const FutexAddress& first, const FutexAddress& second,
                           std::uint32_t count, std::uint32_t count2, std::uint32_t encoded) {
  const FutexKey key = TRY(futex_key(task, first, FutexAccess::kRead));
  const FutexKey key2 = TRY(futex_key(task, second, FutexAccess::kWrite));
  const WakeOp operation(encoded);
  const std::uint32_t old = TRY(change_word(second.uaddr, operation));
  const bool both = TRY(operation.matches(old));
  unsigned woken = TRY(wake_key(task, key, at_least_one(count), waitq::kMatchAny));
  if (both) woken += TRY(wake_key(task, key2, at_least_one(count2), waitq::kMatchAny));
  return woken;
}

}  // namespace detent::emu

#include "syscalls/futex.h"

#include <linux/futex.h>
#include <sys/syscall.h>

#include <algorithm>
#include <climits>
#include <optional>

#include "emu/arch/x86_64/host_call.h"
#include "emu/kernel/kernel.h"
#include "emu/mem/user_copy_unsafe.h"
#include "syscalls/host_wait.h"

namespace detent::syscalls {
namespace {

using sched::Deadline;
using timebase::Base;
using waitq::FutexKey;

// FutexKey::space of futexes that are not in a shared object (mem::SharedMappings::Place).
constexpr std::uint64_t kPrivateSpace = 0;
constexpr std::uint64_t kSharedKeyOfPrivateMemory = 1;

class TaskFutexWaiter final : public waitq::FutexWaiter {
 public:
  TaskFutexWaiter(Task& task, FutexKey key, std::uint32_t bitset)
      : FutexWaiter(key, bitset), task_(task) {}
  [[nodiscard]] bool woken() const { return woken_; }

 private:
  void on_wake() override {
    woken_ = true;
    task_.kernel().scheduler().make_ready(task_);
  }
  Task& task_;
  bool woken_ = false;
};

// A private futex is named by its address alone, which need not even be mapped; a shared one by the
// object that lies there. The two never meet. Source: get_futex_key(): alignment first (EINVAL), then
// the address (EFAULT); a shared key of private memory needs a writable page.
Result<FutexKey> key_of(Task& task, std::uint64_t uaddr, bool is_private) {
  if (uaddr % 4 != 0) return Errno{EINVAL};
  if (!mem::is_user_range(uaddr, 4)) return Errno{EFAULT};
  if (is_private) return FutexKey{kPrivateSpace, uaddr};
  const std::uint32_t word = TRY(mem::load_u32(uaddr));
  if (const auto place = task.process().shared_mappings().find(uaddr)) {
    return FutexKey{place->object, place->offset};
  }
  TRY(mem::compare_exchange_u32(uaddr, word, word));
  return FutexKey{kSharedKeyOfPrivateMemory, uaddr};
}

struct WaitRequest {
  std::uint64_t uaddr;
  std::uint32_t expected;
  std::uint32_t bitset;
  bool is_private;
  std::optional<Deadline> deadline;
};

// A shared futex whose word other processes can write: their wakes do not reach this kernel yet, so the
// word is looked at again and again (docs/limitations.md, "shared futexes").
Result<long> wait_by_polling(Task& task, const WaitRequest& request) {
  bool timed_out = false;
  const auto look = [&]() -> long {
    const Result<std::uint32_t> word = mem::load_u32(request.uaddr);
    if (!word.ok()) return -word.error().value;
    if (word.value() != request.expected) return 0;
    timed_out = request.deadline &&
                task.kernel().clocks().now(request.deadline->base) >= request.deadline->when;
    return timed_out ? 0 : -EAGAIN;
  };
  const long waited = TRY(retry_paced(task, Errno{EAGAIN}, {.what = "futex"}, nullptr, look));
  if (timed_out) return Errno{ETIMEDOUT};
  return waited;
}

Result<long> wait(Task& task, const WaitRequest& request);

Errno interrupted(Task& task, const WaitRequest& request) {
  if (!request.deadline) return kRestartSys;
  task.restart_block = [request](Task& again) { return wait(again, request); };
  return kRestartBlock;
}

// The same where this task is alone in its process and time is real: then the host's futex is the queue
// that all processes share, and a waker's count is right. It waits in stretches, since emulated timers of
// this process (alarm) must go off meanwhile.
Result<long> wait_on_host(Task& task, const WaitRequest& request) {
  emu::Kernel& kernel = task.kernel();
  for (;;) {
    timebase::ClockSet& clocks = kernel.clocks();
    if (request.deadline && clocks.now(request.deadline->base) >= request.deadline->when) {
      return Errno{ETIMEDOUT};
    }
    Instant<Monotonic> until = clocks.monotonic() + Duration::milliseconds(100);
    if (const auto timer = kernel.timers().next_deadline()) until = std::min(until, *timer);
    if (request.deadline) {
      until = std::min(until, clocks.to_monotonic(request.deadline->base, request.deadline->when));
    }
    const Duration left =
        std::max(clocks.source().host_time_until(until), Duration::microseconds(1));
    const timespec stretch{0, left.ns()};
    const long done = arch::host_syscall_interruptible(SYS_futex, request.uaddr, FUTEX_WAIT,
                                                       request.expected, arch::host_arg(&stretch));
    if (done != -EINTR && done != -ETIMEDOUT) return arch::to_result(done);
    kernel.drain_host_signals();
    kernel.scheduler().before_trap();
    if (task.signal_pending) return interrupted(task, request);
  }
}

Result<long> wait_with_relatives(Task& task, const WaitRequest& request) {
  const bool alone = task.process().task_count() == 1 && !task.kernel().time_is_virtual();
  if (alone && request.bitset == waitq::kMatchAny) return wait_on_host(task, request);
  return wait_by_polling(task, request);
}

Result<long> wait(Task& task, const WaitRequest& request) {
  if (request.bitset == 0) return Errno{EINVAL};
  const FutexKey key = TRY(key_of(task, request.uaddr, request.is_private));
  // Nothing runs between this comparison and the enqueueing: no wake-up can be lost.
  if (TRY(mem::load_u32(request.uaddr)) != request.expected) return Errno{EAGAIN};
  emu::Kernel& kernel = task.kernel();
  if (!request.is_private && kernel.has_relatives()) return wait_with_relatives(task, request);
  TaskFutexWaiter waiter(task, key, request.bitset);
  kernel.futexes().enqueue(waiter);
  sched::Wake wake = sched::Wake::kWoken;
  while (!waiter.woken() && wake == sched::Wake::kWoken) {
    task.waiting = {"futex", request.uaddr, Instant<Monotonic>()};
    wake = kernel.scheduler().park(task, request.deadline);
    task.waiting = {};
  }
  // A wake that was booked on this waiter counts even if the deadline or a signal came as well.
  if (waiter.woken()) return 0;
  waitq::FutexTable::cancel(waiter);
  if (wake == sched::Wake::kTimedOut) return Errno{ETIMEDOUT};
  return interrupted(task, request);
}

Result<long> wake(Task& task, std::uint64_t uaddr, std::uint32_t count, std::uint32_t bitset,
                  bool is_private) {
  if (bitset == 0) return Errno{EINVAL};
  const FutexKey key = TRY(key_of(task, uaddr, is_private));
  // Linux counts after waking, so a count of zero or less wakes one (futex_wake()).
  const auto limit = static_cast<std::int32_t>(count) <= 0 ? 1U : count;
  const unsigned woken = task.kernel().futexes().wake(key, limit, bitset);
  if (is_private || woken >= limit || !task.kernel().has_relatives()) return woken;
  // Waiters of other processes, as far as they wait in the host (wait_on_host).
  return woken + TRY(arch::host_call(SYS_futex, static_cast<std::int64_t>(uaddr), FUTEX_WAKE,
                                     limit - woken));
}

struct RequeueRequest {
  std::uint64_t from;
  std::uint64_t to;
  std::int32_t wake_count;
  std::int32_t move_count;
  std::optional<std::uint32_t> expected;
  bool is_private;
};

Result<long> requeue(Task& task, const RequeueRequest& request) {
  if (request.wake_count < 0 || request.move_count < 0) return Errno{EINVAL};
  const FutexKey from = TRY(key_of(task, request.from, request.is_private));
  const FutexKey to = TRY(key_of(task, request.to, request.is_private));
  if (request.expected && TRY(mem::load_u32(request.from)) != *request.expected) {
    return Errno{EAGAIN};
  }
  const waitq::FutexTable::Requeued done =
      task.kernel().futexes().requeue(from, to, static_cast<unsigned>(request.wake_count),
                                      static_cast<unsigned>(request.move_count));
  return done.woken + done.moved;
}

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

Result<long> wake_op(Task& task, std::uint64_t uaddr, std::uint64_t uaddr2, std::uint32_t count,
                     std::uint32_t count2, std::uint32_t encoded, bool is_private) {
  const FutexKey key = TRY(key_of(task, uaddr, is_private));
  const FutexKey key2 = TRY(key_of(task, uaddr2, is_private));
  const WakeOp operation(encoded);
  const std::uint32_t old = TRY(mem::load_u32(uaddr2));
  const std::uint32_t updated = TRY(operation.apply(old));
  // One task at a time: nobody of this process can write in between. A write to a read-only page is
  // found by the exchange.
  TRY(mem::compare_exchange_u32(uaddr2, old, updated));
  const bool second = TRY(operation.matches(old));
  waitq::FutexTable& futexes = task.kernel().futexes();
  const auto limit = [](std::uint32_t n) { return static_cast<std::int32_t>(n) <= 0 ? 1U : n; };
  unsigned woken = futexes.wake(key, limit(count));
  if (second) woken += futexes.wake(key2, limit(count2));
  return woken;
}

bool takes_timeout(int command) {
  return command == FUTEX_WAIT || command == FUTEX_WAIT_BITSET || command == FUTEX_LOCK_PI ||
         command == FUTEX_LOCK_PI2 || command == FUTEX_WAIT_REQUEUE_PI;
}

Result<std::optional<Deadline>> read_deadline(Task& task, int command, bool realtime,
                                              std::uint64_t address) {
  if (!takes_timeout(command) || address == 0) return std::optional<Deadline>();
  const timespec span = TRY(mem::copy_in(UserPtr<const timespec>(address)));
  if (span.tv_sec < 0 || span.tv_nsec < 0 || span.tv_nsec >= kNanosPerSecond) return Errno{EINVAL};
  std::int64_t ns = Duration::max().ns();
  if (span.tv_sec < ns / kNanosPerSecond) ns = span.tv_sec * kNanosPerSecond + span.tv_nsec;
  const Base base = realtime || command == FUTEX_LOCK_PI ? Base::kRealtime : Base::kMonotonic;
  if (command == FUTEX_WAIT) ns = saturating_add(task.kernel().clocks().now(base), ns);
  return std::optional<Deadline>(Deadline{base, ns});
}

}  // namespace

// Source: futex(2); kernel/futex/syscalls.c for the order of the checks.
Result<long> sys_futex(Task& task, std::uint64_t uaddr, int op, std::uint32_t val,
                       std::uint64_t timeout_or_val2, std::uint64_t uaddr2, std::uint32_t val3) {
  const int command = op & FUTEX_CMD_MASK;
  const bool is_private = (op & FUTEX_PRIVATE_FLAG) != 0;
  const bool realtime = (op & FUTEX_CLOCK_REALTIME) != 0;
  const std::optional<Deadline> deadline =
      TRY(read_deadline(task, command, realtime, timeout_or_val2));
  if (realtime && command != FUTEX_WAIT_BITSET && command != FUTEX_WAIT_REQUEUE_PI &&
      command != FUTEX_LOCK_PI2) {
    return Errno{ENOSYS};
  }
  const auto val2 = static_cast<std::int32_t>(timeout_or_val2);
  const auto count = static_cast<std::int32_t>(val);
  switch (command) {
    case FUTEX_WAIT:
      return wait(task, {uaddr, val, waitq::kMatchAny, is_private, deadline});
    case FUTEX_WAIT_BITSET:
      return wait(task, {uaddr, val, val3, is_private, deadline});
    case FUTEX_WAKE:
      return wake(task, uaddr, val, waitq::kMatchAny, is_private);
    case FUTEX_WAKE_BITSET:
      return wake(task, uaddr, val, val3, is_private);
    case FUTEX_REQUEUE:
      return requeue(task, {uaddr, uaddr2, count, val2, std::nullopt, is_private});
    case FUTEX_CMP_REQUEUE:
      return requeue(task, {uaddr, uaddr2, count, val2, val3, is_private});
    case FUTEX_WAKE_OP:
      return wake_op(task, uaddr, uaddr2, val, static_cast<std::uint32_t>(val2), val3, is_private);
    default:
      return Errno{ENOSYS};
  }
}

Result<long> sys_set_robust_list(Task& task, std::uint64_t head, std::uint64_t size) {
  if (size != sizeof(robust_list_head)) return Errno{EINVAL};
  task.robust_list = head;
  task.robust_list_size = size;
  return 0;
}

Result<long> sys_get_robust_list(Task& task, int tid, UserPtr<std::uint64_t> head,
                                 UserPtr<std::uint64_t> size) {
  const Task* target = tid == 0 ? &task : task.process().find(static_cast<Tid>(tid));
  if (target == nullptr) return Errno{ESRCH};
  TRY(mem::copy_out(size, std::uint64_t{sizeof(robust_list_head)}));
  TRY(mem::copy_out(head, target->robust_list));
  return 0;
}

void wake_futex_at_exit(Task& task, std::uint64_t uaddr) {
  static_cast<void>(wake(task, uaddr, 1, waitq::kMatchAny, false));
}

}  // namespace detent::syscalls

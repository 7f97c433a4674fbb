#include "syscalls/futex.h"

#include <linux/futex.h>
#include <sys/syscall.h>

#include <ctime>
#include <optional>

#include "emu/arch/x86_64/host_call.h"
#include "emu/kernel/futex_pi.h"
#include "emu/kernel/kernel.h"
#include "emu/mem/user_copy_unsafe.h"
#include "syscalls/wait_args.h"

namespace detent::syscalls {
namespace {

using sched::Deadline;
using timebase::Base;

bool takes_timeout(int command) {
  return command == FUTEX_WAIT || command == FUTEX_WAIT_BITSET || command == FUTEX_LOCK_PI ||
         command == FUTEX_LOCK_PI2 || command == FUTEX_WAIT_REQUEUE_PI;
}

Result<std::optional<Deadline>> read_deadline(Task& task, int command, bool realtime,
                                              std::uint64_t address) {
  if (!takes_timeout(command) || address == 0) return std::optional<Deadline>();
  const timespec span = TRY(mem::copy_in(UserPtr<const timespec>(address)));
  if (!is_valid(span)) return Errno{EINVAL};
  std::int64_t ns = to_nanoseconds(span);
  const Base base = realtime || command == FUTEX_LOCK_PI ? Base::kRealtime : Base::kMonotonic;
  if (command == FUTEX_WAIT) ns = saturating_add(task.kernel().clocks().now(base), ns);
  return std::optional<Deadline>(Deadline{base, ns});
}

// A timed wait goes on after a signal without a handler, until the same deadline.
Result<long> wait(Task& task, const emu::FutexWait& request, std::optional<Deadline> deadline) {
  const Result<long> waited = emu::futex_wait(task, request, deadline);
  if (waited.ok() || waited.error() != kRestartSys || !deadline) return waited;
  task.restart_block = [request, deadline](Task& again) { return wait(again, request, deadline); };
  return kRestartBlock;
}

bool may_use_realtime(int command) {
  return command == FUTEX_WAIT_BITSET || command == FUTEX_WAIT_REQUEUE_PI ||
         command == FUTEX_LOCK_PI2;
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
  if (realtime && !may_use_realtime(command)) return Errno{ENOSYS};
  const emu::FutexAddress at{uaddr, is_private, false};
  const emu::FutexAddress at2{uaddr2, is_private, false};
  const auto val2 = static_cast<std::int32_t>(timeout_or_val2);
  const auto count = static_cast<std::int32_t>(val);
  switch (command) {
    case FUTEX_WAIT:
      return wait(task, {at, val, waitq::kMatchAny}, deadline);
    case FUTEX_WAIT_BITSET:
      return wait(task, {at, val, val3}, deadline);
    case FUTEX_WAKE:
      return emu::futex_wake(task, at, val, waitq::kMatchAny);
    case FUTEX_WAKE_BITSET:
      return emu::futex_wake(task, at, val, val3);
    case FUTEX_REQUEUE:
      return emu::futex_requeue(task, {at, at2, count, val2, std::nullopt});
    case FUTEX_CMP_REQUEUE:
      return emu::futex_requeue(task, {at, at2, count, val2, val3});
    case FUTEX_WAKE_OP:
      return emu::futex_wake_op(task, at, at2, val, static_cast<std::uint32_t>(val2), val3);
    case FUTEX_LOCK_PI:
    case FUTEX_LOCK_PI2:
      return emu::futex_lock_pi(task, at, deadline);
    case FUTEX_TRYLOCK_PI:
      return emu::futex_trylock_pi(task, at);
    case FUTEX_UNLOCK_PI:
      return emu::futex_unlock_pi(task, at);
    case FUTEX_WAIT_REQUEUE_PI:
      return emu::futex_wait_requeue_pi(task, {at, val, waitq::kMatchAny}, at2, deadline);
    case FUTEX_CMP_REQUEUE_PI:
      return emu::futex_requeue_pi(task, {at, at2, count, val2, val3});
    default:
      return Errno{ENOSYS};
  }
}

// The host gets the list of the task that it knows under the guest's tid: it is the one who looks
// at it when the process is killed from outside.
Result<long> sys_set_robust_list(Task& task, std::uint64_t head, std::uint64_t size) {
  if (size != sizeof(robust_list_head)) return Errno{EINVAL};
  task.robust_list = head;
  if (task.tid() == task.process().pid()) {
    TRY(arch::host_call(SYS_set_robust_list, static_cast<std::int64_t>(head),
                        static_cast<std::int64_t>(size)));
  }
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

}  // namespace detent::syscalls

// futex_waitv(2) and the futex2 calls. Source: kernel/futex/syscalls.c.
#include <linux/futex.h>

#include <array>
#include <ctime>
#include <optional>
#include <span>

#include "emu/kernel/futex.h"
#include "emu/kernel/kernel.h"
#include "emu/mem/user_copy_unsafe.h"
#include "syscalls/futex.h"
#include "syscalls/wait_args.h"

namespace detent::syscalls {
namespace {

using sched::Deadline;
using timebase::Base;

// linux/futex.h is older than the sizes and the two flags on some hosts that this is compiled on.
constexpr std::uint32_t kSizeMask = 0x03;
constexpr std::uint32_t kSize32 = 0x02;
constexpr std::uint32_t kNuma = 0x04;
constexpr std::uint32_t kMpol = 0x08;  // no memory policy names a node here
constexpr std::uint32_t kPrivate = 0x80;
constexpr std::uint32_t kMaxWaiters = 128;

Result<emu::FutexAddress> parse(std::uint64_t uaddr, std::uint32_t flags) {
  if (flags & ~(kSizeMask | kNuma | kMpol | kPrivate)) return Errno{EINVAL};
  if ((flags & kSizeMask) != kSize32) return Errno{EINVAL};
  return emu::FutexAddress{uaddr, (flags & kPrivate) != 0, (flags & kNuma) != 0};
}

// Values and masks are 64 bits wide in the interface, and must fit the word.
Result<std::uint32_t> narrow(std::uint64_t value) {
  if (value > 0xffffffff) return Errno{EINVAL};
  return static_cast<std::uint32_t>(value);
}

Result<std::optional<Deadline>> read_deadline(std::uint64_t address, int clock) {
  if (address == 0) return std::optional<Deadline>();
  if (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC) return Errno{EINVAL};
  const timespec until = TRY(mem::copy_in(UserPtr<const timespec>(address)));
  if (!is_valid(until)) return Errno{EINVAL};
  const Base base = clock == CLOCK_REALTIME ? Base::kRealtime : Base::kMonotonic;
  return std::optional<Deadline>(Deadline{base, to_nanoseconds(until)});
}

struct ParsedWaiter {
  emu::FutexWait wait;
  std::uint32_t flags = 0;
};

Result<ParsedWaiter> read_waiter(std::uint64_t entries, std::size_t index) {
  const std::uint64_t address = entries + index * sizeof(futex_waitv);
  const auto entry = TRY(mem::copy_in(UserPtr<const futex_waitv>(address)));
  if (entry.__reserved != 0) return Errno{EINVAL};
  const emu::FutexAddress at = TRY(parse(entry.uaddr, entry.flags));
  return ParsedWaiter{{at, TRY(narrow(entry.val)), waitq::kMatchAny}, entry.flags};
}

}  // namespace

Result<long> sys_futex_waitv(Task& task, std::uint64_t waiters, std::uint32_t count,
                             std::uint32_t flags, std::uint64_t timeout, int clock) {
  if (flags != 0 || count == 0 || count > kMaxWaiters || waiters == 0) return Errno{EINVAL};
  const std::optional<Deadline> deadline = TRY(read_deadline(timeout, clock));
  std::array<emu::FutexWait, kMaxWaiters> waits;
  for (std::size_t i = 0; i < count; ++i) waits[i] = TRY(read_waiter(waiters, i)).wait;
  return emu::futex_wait_any(task, std::span(waits).first(count), deadline);
}

Result<long> sys_futex_wake(Task& task, std::uint64_t uaddr, std::uint64_t mask, int count,
                            std::uint32_t flags) {
  const emu::FutexAddress at = TRY(parse(uaddr, flags));
  const std::uint32_t bits = TRY(narrow(mask));
  // Unlike FUTEX_WAKE, of none it wakes none; but what it would refuse, it refuses.
  if (count == 0 && bits != 0) {
    TRY(emu::futex_key(task, at, emu::FutexAccess::kRead));
    return 0;
  }
  return emu::futex_wake(task, at, static_cast<std::uint32_t>(count), bits);
}

Result<long> sys_futex_wait(Task& task, std::uint64_t uaddr, std::uint64_t value,
                            std::uint64_t mask, std::uint32_t flags, std::uint64_t timeout,
                            int clock) {
  const emu::FutexAddress at = TRY(parse(uaddr, flags));
  const emu::FutexWait wait{at, TRY(narrow(value)), TRY(narrow(mask))};
  return emu::futex_wait(task, wait, TRY(read_deadline(timeout, clock)));
}

Result<long> sys_futex_requeue(Task& task, std::uint64_t waiters, std::uint32_t flags, int wake,
                               int move) {
  if (flags != 0 || waiters == 0) return Errno{EINVAL};
  const ParsedWaiter from = TRY(read_waiter(waiters, 0));
  const ParsedWaiter to = TRY(read_waiter(waiters, 1));
  if (from.flags != to.flags) return Errno{EINVAL};
  return emu::futex_requeue(task, {from.wait.at, to.wait.at, wake, move, from.wait.expected});
}

}  // namespace detent::syscalls

#include "syscalls/wait_args.h"

#include <algorithm>
#include <limits>

#include "detent/units.h"
#include "emu/kernel/kernel.h"
#include "emu/mem/user_copy_unsafe.h"
#include "emu/signal/task_signals.h"

namespace detent::syscalls {
namespace {

// TASK_SIZE_MAX with four-level page tables.
constexpr std::uint64_t kUserSpaceEnd = 0x7ffffffff000;

}  // namespace

std::int64_t to_nanoseconds(const timespec& span) {
  constexpr std::int64_t kForEver = std::numeric_limits<std::int64_t>::max();
  if (span.tv_sec >= kForEver / kNanosPerSecond) return kForEver;
  return span.tv_sec * kNanosPerSecond + span.tv_nsec;
}

timespec to_timespec(std::int64_t nanoseconds) {
  return {nanoseconds / kNanosPerSecond, nanoseconds % kNanosPerSecond};
}

bool is_valid(const timespec& span) {
  return span.tv_sec >= 0 && span.tv_nsec >= 0 && span.tv_nsec < kNanosPerSecond;
}

Timeout timeout_after(Task& task, std::int64_t nanoseconds) {
  if (nanoseconds == 0) return {true, std::nullopt};
  const std::int64_t now = task.kernel().clocks().monotonic().ns();
  return {false, sched::Deadline{timebase::Base::kMonotonic, saturating_add(now, nanoseconds)}};
}

Timeout timeout_after_ms(Task& task, int milliseconds) {
  if (milliseconds < 0) return {};
  return timeout_after(task, Duration::milliseconds(milliseconds).ns());
}

Result<Timeout> read_timeout(Task& task, UserPtr<timespec> span) {
  if (span.is_null()) return Timeout{};
  const timespec value = TRY(mem::copy_in(span));
  if (!is_valid(value)) return Errno{EINVAL};
  return timeout_after(task, to_nanoseconds(value));
}

std::int64_t nanoseconds_left(Task& task, const Timeout& timeout) {
  if (!timeout.deadline) return 0;
  const std::int64_t now = task.kernel().clocks().monotonic().ns();
  return std::max<std::int64_t>(saturating_sub(timeout.deadline->when, now), 0);
}

Result<void> set_temporary_mask(Task& task, UserPtr<const std::uint64_t> mask, std::uint64_t size) {
  if (mask.is_null()) return {};
  if (size != sizeof(std::uint64_t)) return Errno{EINVAL};
  task.signals->set_temporary_mask(signal::SigSet(TRY(mem::copy_in(mask))));
  return {};
}

void end_temporary_mask(Task& task, bool interrupted) {
  if (!interrupted) task.signals->restore_mask_now();
}

bool in_user_space(std::uint64_t address, std::uint64_t size) {
  return address <= kUserSpaceEnd && size <= kUserSpaceEnd - address;
}

}  // namespace detent::syscalls

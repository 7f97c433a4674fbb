// Arguments that the poll family shares: time-outs, temporary signal masks, ranges of guest memory.
// Source: fs/select.c (poll_select_set_timeout, poll_select_finish), kernel/signal.c (set_user_sigmask).
#pragma once

#include <cstdint>
#include <ctime>
#include <optional>

#include "detent/result.h"
#include "detent/user_ptr.h"
#include "emu/sched/scheduler.h"
#include "emu/task/task.h"

namespace detent::syscalls {

/// Nanoseconds of a valid timespec; what does not fit is "for ever", as in ktime_set().
std::int64_t to_nanoseconds(const timespec& span);
timespec to_timespec(std::int64_t nanoseconds);
/// timespec64_valid(): not negative, and nanoseconds below a second.
bool is_valid(const timespec& span);

/// How long a call of the poll family may wait.
struct Timeout {
  bool never_waits = false;                 ///< a time-out of 0 only looks
  std::optional<sched::Deadline> deadline;  ///< none: for ever (or 0)
};
/// `nanoseconds` >= 0 from now on MONOTONIC. No timer slack.
Timeout timeout_after(Task& task, std::int64_t nanoseconds);
/// The same in ms, where a negative number is "for ever" (poll, epoll_wait).
Timeout timeout_after_ms(Task& task, int milliseconds);
/// The same from a timespec in guest memory; a null pointer is "for ever". EFAULT, EINVAL.
Result<Timeout> read_timeout(Task& task, UserPtr<timespec> span);
/// Nanoseconds left until the time-out, 0 if it has passed.
std::int64_t nanoseconds_left(Task& task, const Timeout& timeout);

/// ppoll, pselect6, epoll_pwait: puts the guest's mask in force, if there is one. EINVAL, EFAULT.
Result<void> set_temporary_mask(Task& task, UserPtr<const std::uint64_t> mask, std::uint64_t size);
/// Ends it, unless the call was interrupted: then signal delivery does that after the handler.
void end_temporary_mask(Task& task, bool interrupted);

/// access_ok() of arch/x86: whether the range lies in the guest's half of the address space.
bool in_user_space(std::uint64_t address, std::uint64_t size);

}  // namespace detent::syscalls

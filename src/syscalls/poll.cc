#include "syscalls/poll.h"

#include <cstddef>
#include <vector>

#include "emu/mem/user_copy_unsafe.h"
#include "emu/process/process.h"
#include "syscalls/poll_set.h"
#include "syscalls/wait_args.h"

namespace detent::syscalls {
namespace {

bool interrupted(const Result<long>& result) {
  return !result.ok() && result.error() == kRestartNoHand;
}

Result<std::vector<pollfd>> copy_in_fds(Task& task, UserPtr<pollfd> fds, unsigned count) {
  if (count > task.process().nofile_soft) return Errno{EINVAL};
  std::vector<pollfd> entries(count);
  if (count != 0) TRY(mem::copy_in_bytes(entries.data(), fds.address(), count * sizeof(pollfd)));
  return entries;
}

// Only the results are written, never fd and events (they may lie in memory that changes). The range is
// tested even for no fds at all (user_write_access_begin()).
Result<void> copy_out_results(UserPtr<pollfd> fds, const PollSet& set) {
  if (!in_user_space(fds.address(), set.entries().size() * sizeof(pollfd))) return Errno{EFAULT};
  std::uint64_t to = fds.address() + offsetof(pollfd, revents);
  for (const PollSet::Entry& entry : set.entries()) {
    TRY(mem::copy_out(UserPtr<short>(to), static_cast<short>(entry.revents)));
    to += sizeof(pollfd);
  }
  return {};
}

// do_sys_poll(): results are written after a time-out and an interruption, too.
Result<long> poll_until(Task& task, UserPtr<pollfd> fds, unsigned count, const Timeout& timeout,
                        const char* what) {
  const std::vector<pollfd> wanted = TRY(copy_in_fds(task, fds, count));
  PollSet set(task);
  for (const pollfd& entry : wanted) {
    const auto events = static_cast<unsigned short>(entry.events);
    set.add(static_cast<Fd>(entry.fd), events, events | waitq::kAlways | waitq::kNval);
  }
  const Result<std::size_t> ready = set.wait(timeout, what);
  if (!ready.ok() && ready.error() != kRestartNoHand) return ready.error();
  TRY(copy_out_results(fds, set));
  return static_cast<long>(TRY(ready));
}

// A poll that was interrupted without a handler goes on until the same instant.
Result<long> poll_restartable(Task& task, UserPtr<pollfd> fds, unsigned count,
                              const Timeout& timeout) {
  const Result<long> result = poll_until(task, fds, count, timeout, "poll");
  if (!interrupted(result)) return result;
  task.restart_block = [=](Task& again) { return poll_restartable(again, fds, count, timeout); };
  return kRestartBlock;
}

// poll_select_finish(): what is left is written back; if it can't be, the call can't be restarted.
Result<long> finish(Task& task, const Result<long>& result, UserPtr<timespec> span,
                    const Timeout& timeout) {
  end_temporary_mask(task, interrupted(result));
  if (span.is_null() || timeout.never_waits) return result;
  const timespec left = to_timespec(nanoseconds_left(task, timeout));
  const bool written = mem::copy_out(span, left).ok();
  if (!written && interrupted(result)) return Errno{EINTR};
  return result;
}

}  // namespace

Result<long> sys_poll(Task& task, UserPtr<pollfd> fds, unsigned count, int timeout_ms) {
  return poll_restartable(task, fds, count, timeout_after_ms(task, timeout_ms));
}

Result<long> sys_ppoll(Task& task, UserPtr<pollfd> fds, unsigned count, UserPtr<timespec> timeout,
                       UserPtr<const std::uint64_t> mask, std::uint64_t mask_size) {
  const Timeout until = TRY(read_timeout(task, timeout));
  TRY(set_temporary_mask(task, mask, mask_size));
  const Result<long> result = poll_until(task, fds, count, until, "ppoll");
  return finish(task, result, timeout, until);
}

}  // namespace detent::syscalls

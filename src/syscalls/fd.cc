#include "syscalls/fd.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>

#include "emu/arch/x86_64/host_call.h"
#include "emu/arch/x86_64/kernel_fds.h"
#include "emu/fd/timerfd.h"
#include "emu/kernel/kernel.h"
#include "emu/mem/user_copy_unsafe.h"
#include "syscalls/host_wait.h"

namespace detent::syscalls {
namespace {

using arch::host_call;

constexpr unsigned long kTimerfdSetTicks = _IOW('T', 0, std::uint64_t);  // TFD_IOC_SET_TICKS

// The number is about to lose its file: tasks that wait on a host fd must look again, and an emulated
// file loses a reference.
void drop(Task& task, Fd fd) {
  task.kernel().poller().forget(fd);
  task.process().fds().remove(fd);
}

Result<long> duplicated(Task& task, Fd from, Result<long> to) {
  if (to.ok()) task.process().fds().duplicate(from, Fd{static_cast<std::int32_t>(to.value())});
  return to;
}

Result<long> dup_to(Task& task, Fd from, Fd to, long call, int flags) {
  if (arch::is_kernel_fd(raw(to))) return Errno{EBADF};
  if (from != to) task.kernel().poller().forget(to);
  const Result<long> done = host_call(call, raw(from), raw(to), flags);
  if (done.ok() && from != to) {
    task.process().fds().remove(to);
    task.process().fds().duplicate(from, to);
  }
  return done;
}

void set_nonblocking(Task& task, Fd fd, bool on) {
  fd::File* file = task.process().fds().get(fd);
  if (file != nullptr) file->nonblocking = on;
}

// Record locks that wait have no readiness to poll: tried in their non-blocking form.
Result<long> lock_and_wait(Task& task, Fd fd, int command, std::uint64_t argument) {
  const int now = command == F_SETLKW ? F_SETLK : F_OFD_SETLK;
  const auto attempt = [&] {
    const long done = arch::host_syscall(SYS_fcntl, arch::host_arg(std::int64_t{raw(fd)}),
                                         static_cast<std::uint64_t>(now), argument);
    return done == -EACCES ? -EAGAIN : done;
  };
  return retry_paced(task, Errno{EAGAIN}, {.what = "fcntl"}, nullptr, attempt);
}

// Passes close_range around the kernel's own fds.
Result<long> close_range_around_kernel(std::uint32_t first, std::uint32_t last,
                                       std::uint32_t flags) {
  const arch::KernelFdRange own = arch::kernel_fd_range();
  const auto own_first = static_cast<std::uint32_t>(own.first);
  const auto own_last = static_cast<std::uint32_t>(own.last);
  if (own.last < own.first || last < own_first || first > own_last) {
    return host_call(SYS_close_range, first, last, flags);
  }
  if (first < own_first) {
    TRY(host_call(SYS_close_range, first, own_first - 1, flags));
  }
  for (std::uint32_t fd = std::max(first, own_first); fd <= std::min(last, own_last); ++fd) {
    if (arch::is_kernel_fd(static_cast<int>(fd))) continue;
    static_cast<void>(host_call(SYS_close_range, fd, fd, flags));
  }
  if (last > own_last) TRY(host_call(SYS_close_range, own_last + 1, last, flags));
  return 0;
}

Result<long> ioctl_emulated(Task&, fd::File& file, Fd fd, std::uint32_t request,
                            std::uint64_t argument) {
  auto* timer = dynamic_cast<fd::TimerFd*>(&file);
  if (timer != nullptr && request == kTimerfdSetTicks) {
    const auto ticks = TRY(mem::copy_in(UserPtr<const std::uint64_t>(argument)));
    TRY(timer->set_ticks(ticks));
    return 0;
  }
  return host_call(SYS_ioctl, raw(fd), request, static_cast<std::int64_t>(argument));
}

}  // namespace

Result<long> sys_close(Task& task, Fd fd) {
  // Forgotten first: afterwards the number cannot be taken out of the host's epoll set any more.
  drop(task, fd);
  return host_call(SYS_close, raw(fd));
}

Result<long> sys_close_range(Task& task, std::uint32_t first, std::uint32_t last,
                             std::uint32_t flags) {
  if (first > last || (flags & ~(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC))) return Errno{EINVAL};
  if (!(flags & CLOSE_RANGE_CLOEXEC)) {
    task.kernel().poller().forget_range(first, last);
    task.process().fds().remove_range(first, last);
  }
  return close_range_around_kernel(first, last, flags);
}

Result<long> sys_dup(Task& task, Fd fd) {
  return duplicated(task, fd, host_call(SYS_dup, raw(fd)));
}

Result<long> sys_dup2(Task& task, Fd from, Fd to) { return dup_to(task, from, to, SYS_dup2, 0); }

Result<long> sys_dup3(Task& task, Fd from, Fd to, int flags) {
  return dup_to(task, from, to, SYS_dup3, flags);
}

Result<long> sys_fcntl(Task& task, Fd fd, int command, std::uint64_t argument) {
  if (command == F_SETLKW || command == F_OFD_SETLKW) {
    return lock_and_wait(task, fd, command, argument);
  }
  const Result<long> done =
      host_call(SYS_fcntl, raw(fd), command, static_cast<std::int64_t>(argument));
  if (!done.ok()) return done;
  if (command == F_DUPFD || command == F_DUPFD_CLOEXEC) return duplicated(task, fd, done);
  if (command == F_SETFL) set_nonblocking(task, fd, (argument & O_NONBLOCK) != 0);
  return done;
}

Result<long> sys_ioctl(Task& task, Fd fd, std::uint32_t request, std::uint64_t argument) {
  fd::File* file = task.process().fds().get(fd);
  if (file != nullptr && request != FIONBIO) {
    return ioctl_emulated(task, *file, fd, request, argument);
  }
  const Result<long> done =
      host_call(SYS_ioctl, raw(fd), request, static_cast<std::int64_t>(argument));
  if (done.ok() && request == FIONBIO) set_nonblocking(task, fd, host_nonblocking(fd));
  return done;
}

Result<long> sys_pipe(Task& task, UserPtr<std::int32_t> fds) { return sys_pipe2(task, fds, 0); }

Result<long> sys_pipe2(Task& task, UserPtr<std::int32_t> fds, int flags) {
  std::array<std::int32_t, 2> pair{};
  TRY(host_call(SYS_pipe2, pair.data(), flags));
  const Result<void> copied = mem::copy_out_bytes(fds.address(), pair.data(), sizeof(pair));
  if (!copied.ok()) {
    for (const std::int32_t fd : pair) host_call(SYS_close, fd).value();
    return copied.error();
  }
  for (const std::int32_t fd : pair) task.process().fds().set_inside(Fd{fd}, true);
  return 0;
}

Result<long> sys_flock(Task& task, Fd fd, int operation) {
  const auto attempt = [&] {
    return arch::host_syscall(SYS_flock, arch::host_arg(std::int64_t{raw(fd)}),
                              static_cast<std::uint64_t>(operation | LOCK_NB));
  };
  if (operation & LOCK_NB) return arch::to_result(attempt());
  return retry_paced(task, Errno{EAGAIN}, {.what = "flock"}, nullptr, attempt);
}

}  // namespace detent::syscalls

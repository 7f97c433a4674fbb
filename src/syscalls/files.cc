#include "syscalls/files.h"

#include <fmt/format.h>

#include <string>

#include "emu/arch/x86_64/kernel_fds.h"
#include "emu/fd/timerfd.h"
#include "emu/kernel/kernel.h"

namespace detent::syscalls {
namespace {

void tell_of_copy(Task& task, Fd fd, const fd::File& file) {
  task.kernel().warn_once(fmt::format(
      "sharing fd {} ({}), made before a fork: this process has a copy", raw(fd), file.kind()));
}

}  // namespace

Result<fd::File*> usable_file(Task& task, Fd fd) {
  fd::FdTable& fds = task.process().fds();
  fd::File* const file = fds.get(fd);
  if (file == nullptr) {
    // The kernel's own fds are invisible to guests.
    const bool open = fds.host_kind(fd) != fd::HostKind::kBad && !arch::is_kernel_fd(raw(fd));
    if (!open) return Errno{EBADF};
    return file;
  }
  if (file->copied && dynamic_cast<fd::TimerFd*>(file) != nullptr) tell_of_copy(task, fd, *file);
  return file;
}

long install_file(Task& task, long placeholder, fd::FileRef file, bool nonblocking) {
  file->nonblocking = nonblocking;
  task.process().fds().install(static_cast<Fd>(placeholder), std::move(file));
  return placeholder;
}

}  // namespace detent::syscalls

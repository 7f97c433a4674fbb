#include "syscalls/files.h"

#include <fmt/format.h>
#include <sys/syscall.h>

#include <string>
#include <utility>

#include "emu/arch/x86_64/host_call.h"
#include "emu/arch/x86_64/kernel_fds.h"
#include "emu/process/process.h"

namespace detent::syscalls {
namespace {

void complain_of_sharing(Task& task, Fd fd, const fd::File& file) {
  // By process id: a forked child inherits this variable, too.
  static int told = 0;
  if (std::exchange(told, raw(task.process().pid())) == told) return;
  const std::string text = fmt::format(
      "detent: fd {} ({}) is shared over fork; sharing emulated objects between processes is not "
      "supported yet\n",
      raw(fd), file.kind());
  static_cast<void>(arch::host_call(SYS_write, 2, text.data(), text.size()));
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
  if (!file->foreign) return file;
  complain_of_sharing(task, fd, *file);
  return Errno{ENOTSUP};
}

long install_file(Task& task, long placeholder, fd::FileRef file, bool nonblocking) {
  file->nonblocking = nonblocking;
  task.process().fds().install(static_cast<Fd>(placeholder), std::move(file));
  return placeholder;
}

}  // namespace detent::syscalls

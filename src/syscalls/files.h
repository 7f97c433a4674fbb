// From fd numbers to emulated files: what the adapters of timerfd, eventfd, epoll and poll share.
#pragma once

#include "detent/ids.h"
#include "detent/result.h"
#include "emu/fd/file.h"
#include "emu/task/task.h"

namespace detent::syscalls {

/// The emulated file behind `fd`, or null for a host file. EBADF if the number is not open. Warns once
/// per process if it is a copy of what a parent has (File::copied).
Result<fd::File*> usable_file(Task& task, Fd fd);

/// Makes `file` the meaning of `placeholder`, a host fd just created with the guest's flags. Returns
/// the number.
long install_file(Task& task, long placeholder, fd::FileRef file, bool nonblocking);

}  // namespace detent::syscalls

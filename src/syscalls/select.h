// select(2), pselect(2).
#pragma once

#include <sys/time.h>

#include <cstdint>
#include <ctime>

#include "detent/result.h"
#include "detent/user_ptr.h"
#include "emu/task/task.h"

namespace detent::syscalls {

/// A set of fds in guest memory, 64 to a word.
using UserFdSet = UserPtr<std::uint64_t>;

/// pselect6's last argument: a mask and its size.
struct MaskArgument {
  std::uint64_t mask = 0;
  std::uint64_t size = 0;
};

Result<long> sys_select(Task& task, int count, UserFdSet in, UserFdSet out, UserFdSet except,
                        UserPtr<timeval> timeout);
Result<long> sys_pselect6(Task& task, int count, UserFdSet in, UserFdSet out, UserFdSet except,
                          UserPtr<timespec> timeout, UserPtr<const MaskArgument> mask);

}  // namespace detent::syscalls

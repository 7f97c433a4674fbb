// poll(2), ppoll(2). The rest of the family is in select.h.
#pragma once

#include <poll.h>

#include <cstdint>
#include <ctime>

#include "detent/result.h"
#include "detent/user_ptr.h"
#include "emu/task/task.h"
#include "syscalls/select.h"

namespace detent::syscalls {

Result<long> sys_poll(Task& task, UserPtr<pollfd> fds, unsigned count, int timeout_ms);
Result<long> sys_ppoll(Task& task, UserPtr<pollfd> fds, unsigned count, UserPtr<timespec> timeout,
                       UserPtr<const std::uint64_t> mask, std::uint64_t mask_size);

}  // namespace detent::syscalls

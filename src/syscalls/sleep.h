// nanosleep(2), clock_nanosleep(2).
#pragma once

#include <ctime>

#include "detent/result.h"
#include "detent/user_ptr.h"
#include "emu/task/task.h"

namespace detent::syscalls {

Result<long> sys_nanosleep(Task& task, UserPtr<const timespec> wanted, UserPtr<timespec> remain);
Result<long> sys_clock_nanosleep(Task& task, int clock_id, int flags,
                                 UserPtr<const timespec> wanted, UserPtr<timespec> remain);

}  // namespace detent::syscalls

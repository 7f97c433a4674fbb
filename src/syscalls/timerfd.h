// timerfd_create(2), timerfd_settime(2), timerfd_gettime(2).
#pragma once

#include <sys/timerfd.h>

#include "detent/ids.h"
#include "detent/result.h"
#include "detent/user_ptr.h"
#include "emu/task/task.h"

namespace detent::syscalls {

Result<long> sys_timerfd_create(Task& task, int clock_id, int flags);
Result<long> sys_timerfd_settime(Task& task, Fd fd, int flags, UserPtr<const itimerspec> wanted,
                                 UserPtr<itimerspec> old);
Result<long> sys_timerfd_gettime(Task& task, Fd fd, UserPtr<itimerspec> current);

}  // namespace detent::syscalls

// getitimer(2), setitimer(2), alarm(2).
#pragma once

#include <sys/time.h>

#include "detent/result.h"
#include "detent/user_ptr.h"
#include "emu/task/task.h"

namespace detent::syscalls {

Result<long> sys_getitimer(Task& task, int which, UserPtr<itimerval> current);
Result<long> sys_setitimer(Task& task, int which, UserPtr<const itimerval> wanted,
                           UserPtr<itimerval> old);
Result<long> sys_alarm(Task& task, unsigned seconds);

}  // namespace detent::syscalls

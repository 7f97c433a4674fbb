// timer_create(2), timer_settime(2), timer_gettime(2), timer_getoverrun(2), timer_delete(2).
#pragma once

#include <csignal>
#include <ctime>

#include "detent/result.h"
#include "detent/user_ptr.h"
#include "emu/task/task.h"

namespace detent::syscalls {

Result<long> sys_timer_create(Task& task, int clock_id, UserPtr<const sigevent> event,
                              UserPtr<int> id);
Result<long> sys_timer_settime(Task& task, int id, int flags, UserPtr<const itimerspec> wanted,
                               UserPtr<itimerspec> old);
Result<long> sys_timer_gettime(Task& task, int id, UserPtr<itimerspec> current);
Result<long> sys_timer_getoverrun(Task& task, int id);
Result<long> sys_timer_delete(Task& task, int id);

}  // namespace detent::syscalls

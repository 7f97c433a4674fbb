// eventfd(2).
#pragma once

#include "detent/result.h"
#include "emu/task/task.h"

namespace detent::syscalls {

Result<long> sys_eventfd(Task& task, unsigned initial);
Result<long> sys_eventfd2(Task& task, unsigned initial, int flags);

}  // namespace detent::syscalls

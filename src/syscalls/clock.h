// Reading and setting clocks: clock_gettime(2), gettimeofday(2), time(2), times(2), adjtimex(2),
// getrusage(2). What is set are the guest's clocks, never the host's.
#pragma once

#include <sys/resource.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/timex.h>

#include <ctime>

#include "detent/result.h"
#include "detent/user_ptr.h"
#include "emu/task/task.h"

namespace detent::syscalls {

Result<long> sys_clock_gettime(Task& task, int clock_id, UserPtr<timespec> now);
Result<long> sys_clock_getres(Task& task, int clock_id, UserPtr<timespec> resolution);
Result<long> sys_clock_settime(Task& task, int clock_id, UserPtr<const timespec> wanted);
Result<long> sys_gettimeofday(Task& task, UserPtr<timeval> now, UserPtr<struct timezone> zone);
Result<long> sys_settimeofday(Task& task, UserPtr<const timeval> wanted,
                              UserPtr<const struct timezone> zone);
Result<long> sys_time(Task& task, UserPtr<time_t> now);
Result<long> sys_times(Task& task, UserPtr<tms> used);
Result<long> sys_adjtimex(Task& task, UserPtr<timex> request);
Result<long> sys_clock_adjtime(Task& task, int clock_id, UserPtr<timex> request);
Result<long> sys_getrusage(Task& task, int who, UserPtr<rusage> usage);

}  // namespace detent::syscalls

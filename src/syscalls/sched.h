// Scheduling calls. The guest sees one CPU (number 0); policies and nice values are kept per task and
// never change the host's scheduling.
#pragma once

#include <cstdint>

#include "detent/result.h"
#include "detent/user_ptr.h"
#include "emu/task/task.h"

namespace detent::syscalls {

Result<long> sys_sched_yield(Task& task);
Result<long> sys_sched_getaffinity(Task& task, int tid, std::uint32_t size, std::uint64_t mask);
Result<long> sys_sched_setaffinity(Task& task, int tid, std::uint32_t size, std::uint64_t mask);
Result<long> sys_sched_setparam(Task& task, int tid, UserPtr<const int> priority);
Result<long> sys_sched_getparam(Task& task, int tid, UserPtr<int> priority);
Result<long> sys_sched_setscheduler(Task& task, int tid, int policy, UserPtr<const int> priority);
Result<long> sys_sched_getscheduler(Task& task, int tid);
Result<long> sys_sched_rr_get_interval(Task& task, int tid, std::uint64_t interval);
Result<long> sys_sched_setattr(Task& task, int tid, std::uint64_t attributes, std::uint32_t flags);
Result<long> sys_sched_getattr(Task& task, int tid, std::uint64_t attributes, std::uint32_t size,
                               std::uint32_t flags);
Result<long> sys_getpriority(Task& task, int which, int who);
Result<long> sys_setpriority(Task& task, int which, int who, int nice);
Result<long> sys_getcpu(Task& task, UserPtr<std::uint32_t> cpu, UserPtr<std::uint32_t> node,
                        std::uint64_t unused);

}  // namespace detent::syscalls

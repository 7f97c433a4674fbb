// Calls about the process as a whole: prctl, arch_prctl, limits, random bytes, personality, seccomp.
#pragma once

#include <cstdint>
#include <string>

#include "detent/result.h"
#include "detent/user_ptr.h"
#include "emu/task/task.h"

namespace detent::syscalls {

/// What prctl(PR_SET_NAME) does, and writing to /proc/<pid>/task/<tid>/comm: at most 15 bytes.
void set_thread_name(Task& thread, const std::string& name);

Result<long> sys_prctl(Task& task, int option, std::uint64_t a, std::uint64_t b, std::uint64_t c,
                       std::uint64_t d);
Result<long> sys_arch_prctl(Task& task, int code, std::uint64_t address);
Result<long> sys_personality(Task& task, std::uint32_t persona);
Result<long> sys_getrlimit(Task& task, int resource, std::uint64_t limit);
Result<long> sys_setrlimit(Task& task, int resource, std::uint64_t limit);
Result<long> sys_prlimit64(Task& task, int pid, int resource, std::uint64_t new_limit,
                           std::uint64_t old_limit);
Result<long> sys_getrandom(Task& task, std::uint64_t buffer, std::uint64_t size,
                           std::uint32_t flags);
Result<long> sys_sysinfo(Task& task, std::uint64_t info);
Result<long> sys_membarrier(Task& task, int command, std::uint32_t flags, int cpu);
Result<long> sys_seccomp(Task& task, std::uint32_t operation, std::uint32_t flags,
                         std::uint64_t argument);

}  // namespace detent::syscalls

// Processes: fork, vfork, clone without CLONE_THREAD, execve, wait.
#pragma once

#include <cstdint>

#include "detent/ids.h"
#include "detent/result.h"
#include "detent/user_ptr.h"
#include "emu/task/task.h"
#include "syscalls/thread.h"

namespace detent::syscalls {

Result<long> sys_fork(Task& task);
Result<long> sys_vfork(Task& task);
/// clone and clone3 for a new process.
Result<long> clone_process(Task& task, const CloneRequest& request);
Result<long> sys_execve(Task& task, UserPtr<const char> path, std::uint64_t argv,
                        std::uint64_t envp);
Result<long> sys_execveat(Task& task, Fd dir, UserPtr<const char> path, std::uint64_t argv,
                          std::uint64_t envp, int flags);
Result<long> sys_wait4(Task& task, int pid, UserPtr<int> status, int options, std::uint64_t rusage);
Result<long> sys_waitid(Task& task, int type, int id, std::uint64_t info, int options,
                        std::uint64_t rusage);

}  // namespace detent::syscalls

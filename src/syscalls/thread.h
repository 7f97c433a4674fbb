// Threads: clone with CLONE_THREAD, exit, thread ids, rseq.
#pragma once

#include <cstdint>

#include "detent/result.h"
#include "detent/user_ptr.h"
#include "emu/task/task.h"

namespace detent::syscalls {

/// What clone, clone3, fork and vfork ask for, in clone3's terms. Source: clone(2), struct clone_args.
struct CloneRequest {
  std::uint64_t flags = 0;
  std::uint64_t pidfd = 0;
  std::uint64_t child_tid = 0;
  std::uint64_t parent_tid = 0;
  std::uint64_t exit_signal = 0;
  std::uint64_t stack = 0;  ///< initial stack pointer; 0: the caller's
  std::uint64_t tls = 0;
};

Result<long> sys_clone(Task& task, std::uint64_t flags, std::uint64_t stack,
                       std::uint64_t parent_tid, std::uint64_t child_tid, std::uint64_t tls);
Result<long> sys_clone3(Task& task, std::uint64_t args, std::uint64_t size);
Result<long> sys_exit(Task& task, int status);
Result<long> sys_exit_group(Task& task, int status);
Result<long> sys_gettid(Task& task);
Result<long> sys_getpid(Task& task);
Result<long> sys_getppid(Task& task);
Result<long> sys_set_tid_address(Task& task, std::uint64_t address);
Result<long> sys_rseq(Task& task, std::uint64_t area, std::uint32_t size, int flags,
                      std::uint32_t signature);

}  // namespace detent::syscalls

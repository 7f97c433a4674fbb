// Signals: signal(7) and what it points to. Actions, masks and waits are in signal.cc, sending in
// kill.cc, signalfd in signalfd.cc.
#pragma once

#include <csignal>
#include <cstdint>
#include <ctime>

#include "detent/result.h"
#include "detent/user_ptr.h"
#include "emu/signal/process_signals.h"
#include "emu/task/task.h"

namespace detent::syscalls {

Result<long> sys_rt_sigaction(Task& task, int sig, UserPtr<const signal::Action> action,
                              UserPtr<signal::Action> old, std::uint64_t set_size);
Result<long> sys_rt_sigprocmask(Task& task, int how, UserPtr<const signal::SigSet> set,
                                UserPtr<signal::SigSet> old, std::uint64_t set_size);
Result<long> sys_rt_sigpending(Task& task, UserPtr<signal::SigSet> set, std::uint64_t set_size);
Result<long> sys_rt_sigsuspend(Task& task, UserPtr<const signal::SigSet> mask,
                               std::uint64_t set_size);
Result<long> sys_rt_sigtimedwait(Task& task, UserPtr<const signal::SigSet> wanted,
                                 UserPtr<siginfo_t> info, UserPtr<const timespec> timeout,
                                 std::uint64_t set_size);
Result<long> sys_pause(Task& task);
Result<long> sys_rt_sigreturn(Task& task);
Result<long> sys_sigaltstack(Task& task, UserPtr<const stack_t> stack, UserPtr<stack_t> old);
Result<long> sys_restart_syscall(Task& task);

Result<long> sys_kill(Task& task, int pid, int sig);
Result<long> sys_tkill(Task& task, int tid, int sig);
Result<long> sys_tgkill(Task& task, int tgid, int tid, int sig);
Result<long> sys_rt_sigqueueinfo(Task& task, int pid, int sig, UserPtr<const siginfo_t> info);
Result<long> sys_rt_tgsigqueueinfo(Task& task, int tgid, int tid, int sig,
                                   UserPtr<const siginfo_t> info);
Result<long> sys_pidfd_send_signal(Task& task, Fd pidfd, int sig, std::uint64_t info,
                                   std::uint32_t flags);

}  // namespace detent::syscalls

// Sending signals. To our own process and its threads they go directly; to others (and to process
// groups, which we may be part of) through the host, which sends ours back as an outside signal.
// Source: kill(2), tgkill(2), rt_sigqueueinfo(2), kernel/signal.c.
#include <sys/syscall.h>

#include <climits>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "emu/arch/x86_64/host_call.h"
#include "emu/arch/x86_64/host_file.h"
#include "emu/kernel/kernel.h"
#include "emu/mem/user_copy_unsafe.h"
#include "emu/signal/signal_kinds.h"
#include "emu/signal/task_signals.h"
#include "syscalls/signal.h"

namespace detent::syscalls {
namespace {

using arch::host_call;

// struct kernel_siginfo: what Linux keeps of a siginfo_t.
constexpr std::size_t kKernelInfoSize = 48;
// The lowest codes with a meaning: SI_DETHREAD, and SI_ASYNCNL (known_siginfo_layout()).
constexpr int kLowestKnownCode = -7;
constexpr int kAsyncNameLookup = -60;

siginfo_t info_from_here(const Task& task, int sig, int code) {
  siginfo_t info{};
  info.si_signo = sig;
  info.si_code = code;
  info.si_pid = raw(task.process().pid());
  info.si_uid = static_cast<uid_t>(host_call(SYS_getuid).value());
  return info;
}

Result<siginfo_t> copy_in_info(UserPtr<const siginfo_t> from, int sig) {
  siginfo_t info{};
  TRY(mem::copy_in_bytes(&info, from.address(), kKernelInfoSize));
  info.si_signo = sig;
  const bool known = info.si_code >= kLowestKnownCode || info.si_code == kAsyncNameLookup;
  if (known) return info;
  unsigned char tail[sizeof(info) - kKernelInfoSize];  // looked at for unknown codes only
  TRY(mem::copy_in_bytes(tail, from.address() + kKernelInfoSize, sizeof(tail)));
  for (unsigned char byte : tail) {
    if (byte != 0) return Errno{E2BIG};
  }
  return info;
}

// Nobody may pretend to others that the kernel, or kill(2), has sent a signal.
bool is_forgery(const Task& task, int receiver, const siginfo_t& info) {
  const bool claims = info.si_code >= 0 || info.si_code == SI_TKILL;
  return claims && receiver != raw(task.tid());
}

// Any thread's id names its process (kill(2) NOTES; find_vpid()).
bool is_own_process(Task& task, int pid) {
  if (pid <= 0) return false;
  return pid == raw(task.process().pid()) || task.process().find(Tid{pid}) != nullptr;
}

Result<long> send_to_own_process(Task& task, const siginfo_t& info) {
  if (info.si_signo == 0) return 0;
  if (!signal::valid_signal(info.si_signo)) return Errno{EINVAL};
  TRY(task.process().signals().send(info));
  return 0;
}

Result<long> send_to_thread(Task& receiver, const siginfo_t& info) {
  if (info.si_signo == 0) return 0;  // only asks whether the thread exists
  if (!signal::valid_signal(info.si_signo)) return Errno{EINVAL};
  TRY(receiver.signals->send(info));
  return 0;
}

// Sends by the host to `pid`, as kill(2) has it. SIGKILL, SIGSTOP and SIGCONT act there by themselves: whom
// they reach is as they leave it when this returns, so that what the guest asks next does not depend
// on the host's speed.
template <class Send>
Result<long> send_by_host(Task& task, int pid, int sig, Send send) {
  sched::Turns& turns = task.kernel().turns();
  const bool acts = sig == SIGKILL || sig == SIGSTOP || sig == SIGCONT;
  if (!acts || !turns.active()) return send();
  const std::vector<int> reached = turns.reached_by(pid);
  const Result<long> sent = send();
  if (!sent.ok() || reached.empty()) return sent;
  turns.await_signal(sig, reached);
  // Who waits for a stop sees it before the next signal can end it.
  task.kernel().scheduler().pass_turn();
  return sent;
}

// The process that a pidfd names, INT_MAX if it has ended or is not one (proc(5), /proc/pid/fdinfo).
int pid_of(Fd pidfd) {
  const std::string text =
      arch::read_host_file(("/proc/self/fdinfo/" + std::to_string(raw(pidfd))).c_str());
  const std::size_t at = text.find("\nPid:");
  const int pid = at == std::string::npos ? -1 : std::atoi(text.c_str() + at + 5);
  return pid > 0 ? pid : INT_MAX;
}

}  // namespace

Result<long> sys_kill(Task& task, int pid, int sig) {
  if (!is_own_process(task, pid)) {
    return send_by_host(task, pid, sig, [&] { return host_call(SYS_kill, pid, sig); });
  }
  return send_to_own_process(task, info_from_here(task, sig, SI_USER));
}

Result<long> sys_tkill(Task& task, int tid, int sig) {
  if (tid <= 0) return Errno{EINVAL};
  Task* receiver = task.process().find(Tid{tid});
  if (receiver == nullptr) return host_call(SYS_tkill, tid, sig);
  return send_to_thread(*receiver, info_from_here(task, sig, SI_TKILL));
}

Result<long> sys_tgkill(Task& task, int tgid, int tid, int sig) {
  if (tgid <= 0 || tid <= 0) return Errno{EINVAL};
  if (tgid != raw(task.process().pid())) return host_call(SYS_tgkill, tgid, tid, sig);
  Task* receiver = task.process().find(Tid{tid});
  if (receiver == nullptr) return Errno{ESRCH};
  return send_to_thread(*receiver, info_from_here(task, sig, SI_TKILL));
}

Result<long> sys_rt_sigqueueinfo(Task& task, int pid, int sig, UserPtr<const siginfo_t> info) {
  const siginfo_t copied = TRY(copy_in_info(info, sig));
  if (is_forgery(task, pid, copied)) return Errno{EPERM};
  if (is_own_process(task, pid)) return send_to_own_process(task, copied);
  return host_call(SYS_rt_sigqueueinfo, pid, sig, &copied);
}

Result<long> sys_rt_tgsigqueueinfo(Task& task, int tgid, int tid, int sig,
                                   UserPtr<const siginfo_t> info) {
  const siginfo_t copied = TRY(copy_in_info(info, sig));
  if (tgid <= 0 || tid <= 0) return Errno{EINVAL};
  if (is_forgery(task, tid, copied)) return Errno{EPERM};
  if (tgid != raw(task.process().pid())) {
    return host_call(SYS_rt_tgsigqueueinfo, tgid, tid, sig, &copied);
  }
  Task* receiver = task.process().find(Tid{tid});
  if (receiver == nullptr) return Errno{ESRCH};
  return send_to_thread(*receiver, copied);
}

Result<long> sys_pidfd_send_signal(Task& task, Fd pidfd, int sig, std::uint64_t info,
                                   std::uint32_t flags) {
  return send_by_host(task, pid_of(pidfd), sig, [&] {
    return host_call(SYS_pidfd_send_signal, raw(pidfd), sig, static_cast<std::int64_t>(info),
                     static_cast<std::int64_t>(flags));
  });
}

}  // namespace detent::syscalls

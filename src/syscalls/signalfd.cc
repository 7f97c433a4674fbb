#include "syscalls/signalfd.h"

#include <fmt/format.h>
#include <sys/syscall.h>

#include <cstring>
#include <optional>

#include "emu/arch/x86_64/host_call.h"
#include "emu/kernel/kernel.h"
#include "emu/mem/user_copy_unsafe.h"
#include "emu/signal/signal_kinds.h"
#include "emu/signal/task_signals.h"

namespace detent::syscalls {
namespace {

using arch::host_call;
using signal::SigSet;

// Which of siginfo_t's variants holds (kernel/signal.c siginfo_layout()).
enum class Layout { kKill, kTimer, kPoll, kFault, kChild, kQueue, kSyscall };

Layout layout_of_kernel_code(int sig) {
  switch (sig) {
    case SIGILL:
    case SIGFPE:
    case SIGSEGV:
    case SIGBUS:
    case SIGTRAP:
      return Layout::kFault;
    case SIGCHLD:
      return Layout::kChild;
    case SIGSYS:
      return Layout::kSyscall;
    default:
      return Layout::kPoll;
  }
}

Layout layout_of(const siginfo_t& info) {
  const int code = info.si_code;
  if (code > SI_USER && code < SI_KERNEL) return layout_of_kernel_code(info.si_signo);
  if (code == SI_TIMER) return Layout::kTimer;
  if (code == SI_SIGIO) return Layout::kPoll;
  return code < 0 ? Layout::kQueue : Layout::kKill;
}

void fill_sender(signalfd_siginfo& record, const siginfo_t& info) {
  record.ssi_pid = static_cast<std::uint32_t>(info.si_pid);
  record.ssi_uid = info.si_uid;
}

void fill_value(signalfd_siginfo& record, const siginfo_t& info) {
  record.ssi_ptr = reinterpret_cast<std::uint64_t>(info.si_ptr);
  record.ssi_int = info.si_int;
}

void fill_child(signalfd_siginfo& record, const siginfo_t& info) {
  fill_sender(record, info);
  record.ssi_status = info.si_status;
  record.ssi_utime = static_cast<std::uint64_t>(info.si_utime);
  record.ssi_stime = static_cast<std::uint64_t>(info.si_stime);
}

void fill_fault(signalfd_siginfo& record, const siginfo_t& info) {
  record.ssi_addr = reinterpret_cast<std::uint64_t>(info.si_addr);
  const bool memory_error = info.si_code == BUS_MCEERR_AR || info.si_code == BUS_MCEERR_AO;
  if (info.si_signo == SIGBUS && memory_error) {
    record.ssi_addr_lsb = static_cast<std::uint16_t>(info.si_addr_lsb);
  }
}

void fill_syscall(signalfd_siginfo& record, const siginfo_t& info) {
  record.ssi_call_addr = reinterpret_cast<std::uint64_t>(info.si_call_addr);
  record.ssi_syscall = info.si_syscall;
  record.ssi_arch = info.si_arch;
}

Result<long> create(Task& task, SigSet mask, int flags) {
  const long host = TRY(host_call(SYS_signalfd4, -1, &mask, sizeof(mask), flags));
  const fd::FileRef file(new SignalFd(mask, task.process().signals(), task.kernel().scheduler()));
  file->nonblocking = (flags & SFD_NONBLOCK) != 0;
  task.process().fds().install(static_cast<Fd>(host), file);
  return host;
}

// The placeholder's mask is kept equal for /proc/self/fdinfo; it also finds what is wrong with an fd
// that is no signalfd of ours (EBADF, EINVAL).
Result<long> change(Task& task, Fd fd, SigSet mask) {
  TRY(host_call(SYS_signalfd4, raw(fd), &mask, sizeof(mask), 0));
  if (SignalFd* file = task.process().fds().get_as<SignalFd>(fd)) file->set_mask(mask);
  return raw(fd);
}

}  // namespace

signalfd_siginfo to_signalfd_record(const siginfo_t& info) {
  signalfd_siginfo record{};
  record.ssi_signo = static_cast<std::uint32_t>(info.si_signo);
  record.ssi_errno = info.si_errno;
  record.ssi_code = info.si_code;
  switch (layout_of(info)) {
    case Layout::kKill:
      fill_sender(record, info);
      break;
    case Layout::kTimer:
      record.ssi_tid = static_cast<std::uint32_t>(info.si_timerid);
      record.ssi_overrun = static_cast<std::uint32_t>(info.si_overrun);
      fill_value(record, info);
      break;
    case Layout::kPoll:
      record.ssi_band = static_cast<std::uint32_t>(info.si_band);
      record.ssi_fd = info.si_fd;
      break;
    case Layout::kFault:
      fill_fault(record, info);
      break;
    case Layout::kChild:
      fill_child(record, info);
      break;
    case Layout::kQueue:
      fill_sender(record, info);
      fill_value(record, info);
      break;
    case Layout::kSyscall:
      fill_syscall(record, info);
      break;
  }
  return record;
}

SignalFd::SignalFd(SigSet mask, signal::ProcessSignals& process, sched::Scheduler& scheduler)
    : File(process.arrivals()), mask_(mask & ~signal::kUnblockable), scheduler_(scheduler) {}

// fs/signalfd.c signalfd_show_fdinfo().
std::string SignalFd::fdinfo() { return fmt::format("sigmask:\t{:016x}\n", mask_.bits()); }

void SignalFd::set_mask(SigSet mask) {
  mask_ = mask & ~signal::kUnblockable;
  queue().notify(waitq::kUntold);
}

waitq::Attempt<std::size_t> SignalFd::read(std::span<std::byte> to) {
  const std::size_t room = to.size() / sizeof(signalfd_siginfo);
  if (room == 0) return Errno{EINVAL};
  std::size_t count = 0;
  while (count < room) {
    const std::optional<siginfo_t> info = scheduler_.current().signals->take(mask_);
    if (!info) break;
    const signalfd_siginfo record = to_signalfd_record(*info);
    std::memcpy(to.data() + count * sizeof(record), &record, sizeof(record));
    ++count;
  }
  if (count == 0) return waitq::Blocked{&queue(), waitq::kIn};
  return count * sizeof(signalfd_siginfo);
}

waitq::PollMask SignalFd::poll() {
  const SigSet pending = scheduler_.current().signals->pending();
  return (pending & mask_).empty() ? waitq::PollMask{0} : waitq::kIn;
}

Result<long> sys_signalfd(Task& task, Fd fd, UserPtr<const SigSet> mask, std::uint64_t set_size) {
  return sys_signalfd4(task, fd, mask, set_size, 0);
}

Result<long> sys_signalfd4(Task& task, Fd fd, UserPtr<const SigSet> mask, std::uint64_t set_size,
                           int flags) {
  if (set_size != sizeof(SigSet)) return Errno{EINVAL};
  const SigSet wanted = TRY(mem::copy_in(mask));
  if (flags & ~(SFD_CLOEXEC | SFD_NONBLOCK)) return Errno{EINVAL};
  if (raw(fd) == -1) return create(task, wanted, flags);
  return change(task, fd, wanted);
}

}  // namespace detent::syscalls

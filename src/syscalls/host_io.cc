#include "syscalls/host_io.h"

#include <fcntl.h>
#include <sys/syscall.h>

#include <algorithm>

#include "emu/arch/x86_64/host_call.h"
#include "emu/kernel/kernel.h"
#include "emu/sched/block.h"

namespace detent::syscalls {

bool host_nonblocking(Fd fd) {
  const Result<long> flags = arch::host_call(SYS_fcntl, raw(fd), F_GETFL);
  return flags.ok() && (flags.value() & O_NONBLOCK) != 0;
}

Result<long> host_io(Task& task, Fd fd, waitq::PollMask events, const char* what,
                     const std::function<long()>& call) {
  emu::Kernel& kernel = task.kernel();
  const fd::HostKind kind = task.process().fds().host_kind(fd);
  if (kind == fd::HostKind::kNeverBlocks || kind == fd::HostKind::kBad) {
    return arch::to_result(call());
  }
  bool nonblocking = false;
  const auto attempt = [&]() -> waitq::Attempt<long> {
    const waitq::PollMask wanted = events | waitq::kAlways;
    if (nonblocking || (sched::HostPoller::ready_now(fd, events) & wanted) != 0) {
      return arch::to_result(call());
    }
    if (host_nonblocking(fd)) {
      nonblocking = true;
      return arch::to_result(call());
    }
    return waitq::Blocked{&kernel.poller().watch(fd, events), events | waitq::kNval};
  };
  sched::WaitRules rules;
  rules.what = what;
  rules.object = static_cast<std::uint64_t>(raw(fd));
  return sched::block_until<long>(kernel.scheduler(), task, rules, attempt);
}

Result<long> host_retry(Task& task, Errno again, const char* what,
                        const std::function<long()>& attempt) {
  emu::Kernel& kernel = task.kernel();
  Duration pause = Duration::microseconds(20);
  for (;;) {
    const Result<long> tried = arch::to_result(attempt());
    if (tried.ok() || tried.error() != again) return tried;
    const Instant<Monotonic> until = kernel.clocks().monotonic() + pause;
    task.waiting = {what, 0, Instant<Monotonic>()};
    const sched::HostRetryScope retrying(kernel.poller());
    const sched::Wake wake =
        kernel.scheduler().park(task, sched::Deadline{timebase::Base::kMonotonic, until.ns()});
    task.waiting = {};
    if (wake == sched::Wake::kInterrupted) return kRestartSys;
    pause = std::min(pause + pause, Duration::milliseconds(1));
  }
}

}  // namespace detent::syscalls

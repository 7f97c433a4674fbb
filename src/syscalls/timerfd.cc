#include "syscalls/timerfd.h"

#include <sys/syscall.h>

#include "emu/arch/x86_64/host_call.h"
#include "emu/fd/timerfd.h"
#include "emu/kernel/kernel.h"
#include "emu/mem/user_copy_unsafe.h"
#include "syscalls/files.h"
#include "syscalls/wait_args.h"

namespace detent::syscalls {
namespace {

using arch::host_call;
using fd::TimerFd;

itimerspec to_itimerspec(const TimerFd::Times& times) {
  return {to_timespec(times.interval), to_timespec(times.value)};
}

// Null if the number is open but no timerfd of ours: then the host knows what it is (a timerfd of the
// host's that came through execve or a socket; else EINVAL).
Result<TimerFd*> timer_behind(Task& task, Fd fd) {
  return dynamic_cast<TimerFd*>(TRY(usable_file(task, fd)));
}

Result<long> host_settime(Fd fd, int flags, const itimerspec& spec, UserPtr<itimerspec> old) {
  itimerspec before{};
  TRY(host_call(SYS_timerfd_settime, raw(fd), flags, &spec, &before));
  if (!old.is_null()) TRY(mem::copy_out(old, before));
  return 0;
}

}  // namespace

// The host judges clock, flags and the capability that alarm clocks need.
Result<long> sys_timerfd_create(Task& task, int clock_id, int flags) {
  const long placeholder = TRY(host_call(SYS_timerfd_create, clock_id, flags));
  emu::Kernel& kernel = task.kernel();
  fd::FileRef file(new TimerFd(kernel.timers(), kernel.clocks(), clock_id));
  return install_file(task, placeholder, std::move(file), (flags & TFD_NONBLOCK) != 0);
}

// The order of the checks is that of do_timerfd_settime(), fs/timerfd.c.
Result<long> sys_timerfd_settime(Task& task, Fd fd, int flags, UserPtr<const itimerspec> wanted,
                                 UserPtr<itimerspec> old) {
  const itimerspec spec = TRY(mem::copy_in(wanted));
  const bool known = (flags & ~(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET)) == 0;
  if (!known || !is_valid(spec.it_value) || !is_valid(spec.it_interval)) return Errno{EINVAL};
  TimerFd* const timer = TRY(timer_behind(task, fd));
  if (timer == nullptr) return host_settime(fd, flags, spec, old);
  if (timer->is_alarm()) {
    // CAP_WAKE_ALARM is asked for at every setting; disarming the placeholder asks the host.
    const itimerspec disarm{};
    TRY(host_call(SYS_timerfd_settime, raw(fd), 0, &disarm, nullptr));
  }
  const TimerFd::Times times{to_nanoseconds(spec.it_value), to_nanoseconds(spec.it_interval)};
  const TimerFd::Times before = TRY(timer->set(times, static_cast<unsigned>(flags)));
  // A bad pointer is found when the timer is armed already.
  if (!old.is_null()) TRY(mem::copy_out(old, to_itimerspec(before)));
  return 0;
}

Result<long> sys_timerfd_gettime(Task& task, Fd fd, UserPtr<itimerspec> current) {
  TimerFd* const timer = TRY(timer_behind(task, fd));
  itimerspec now{};
  if (timer != nullptr) {
    now = to_itimerspec(timer->get());
  } else {
    TRY(host_call(SYS_timerfd_gettime, raw(fd), &now));
  }
  TRY(mem::copy_out(current, now));
  return 0;
}

}  // namespace detent::syscalls

#include "syscalls/posix_timer.h"

#include <sys/syscall.h>

#include <memory>

#include "emu/arch/x86_64/host_call.h"
#include "emu/kernel/kernel.h"
#include "emu/mem/user_copy_unsafe.h"
#include "emu/signal/signal_kinds.h"
#include "syscalls/clock_id.h"
#include "syscalls/wait_args.h"

namespace detent::syscalls {
namespace {

using arch::host_call;
using process::PosixTimer;
using process::TimerNotice;
using Kind = ClockId::Kind;

// Without a sigevent: SIGALRM to the process, with the timer's id as value.
TimerNotice default_notice() { return {false, SIGALRM, std::nullopt, std::nullopt}; }

// kernel/time/posix-timers.c good_sigevent(). SIGEV_THREAD is libc's; to the kernel it is a signal.
Result<TimerNotice> to_notice(Task& task, const sigevent& event) {
  TimerNotice notice;
  notice.value = event.sigev_value;
  notice.signal = event.sigev_signo;
  switch (event.sigev_notify) {
    case SIGEV_NONE:
      notice.none = true;
      return notice;
    case SIGEV_THREAD_ID:
      notice.thread = static_cast<Tid>(event._sigev_un._tid);
      if (task.process().find(*notice.thread) == nullptr) return Errno{EINVAL};
      break;
    case SIGEV_SIGNAL:
    case SIGEV_THREAD:
      break;
    default:
      return Errno{EINVAL};
  }
  if (!signal::valid_signal(notice.signal)) return Errno{EINVAL};
  return notice;
}

// Whether the clock takes timers, judged last. Alarm clocks need a real-time clock and
// CAP_WAKE_ALARM: a timer made and deleted on the host says whether.
Result<void> check_clock(const ClockId& clock) {
  if (clock.kind == Kind::kBadCpu || clock.kind == Kind::kHostCpu) return Errno{EINVAL};
  if (clock.kind != Kind::kAlarm) return {};
  sigevent event{};
  event.sigev_notify = SIGEV_NONE;
  int id = 0;
  TRY(host_call(SYS_timer_create, clock.id, &event, &id));
  TRY(host_call(SYS_timer_delete, id));
  return {};
}

Result<PosixTimer*> find_timer(Task& task, int id) {
  PosixTimer* timer = task.process().posix_timers().find(id);
  if (timer == nullptr) return Errno{EINVAL};
  return timer;
}

itimerspec to_itimerspec(const PosixTimer::Times& times) {
  return {to_timespec(times.interval), to_timespec(times.value)};
}

}  // namespace

// Order of checks: timer_create() and do_timer_create(). The id is used up before the last of them.
Result<long> sys_timer_create(Task& task, int clock_id, UserPtr<const sigevent> event,
                              UserPtr<int> id) {
  sigevent wanted{};
  if (!event.is_null()) wanted = TRY(mem::copy_in(event));
  const ClockId clock = decode_clock(task, clock_id);
  if (clock.kind == Kind::kUnknown) return Errno{EINVAL};
  if (clock.kind == Kind::kReading || clock.kind == Kind::kDevice) return Errno{EOPNOTSUPP};
  process::PosixTimers& timers = task.process().posix_timers();
  const int number = timers.next_id();
  const TimerNotice notice = event.is_null() ? default_notice() : TRY(to_notice(task, wanted));
  TRY(mem::copy_out(id, number));
  TRY(check_clock(clock));
  timers.add(number, std::make_unique<PosixTimer>(time_context(task), number, clock.clock, notice));
  return 0;
}

Result<long> sys_timer_settime(Task& task, int id, int flags, UserPtr<const itimerspec> wanted,
                               UserPtr<itimerspec> old) {
  if (wanted.is_null()) return Errno{EINVAL};
  const itimerspec spec = TRY(mem::copy_in(wanted));
  if (!is_valid(spec.it_value) || !is_valid(spec.it_interval)) return Errno{EINVAL};
  PosixTimer* const timer = TRY(find_timer(task, id));
  const PosixTimer::Times times{to_nanoseconds(spec.it_value), to_nanoseconds(spec.it_interval)};
  const PosixTimer::Times before = timer->set(times, (flags & TIMER_ABSTIME) != 0);
  // A bad pointer is found when the timer is armed already.
  if (!old.is_null()) TRY(mem::copy_out(old, to_itimerspec(before)));
  return 0;
}

Result<long> sys_timer_gettime(Task& task, int id, UserPtr<itimerspec> current) {
  PosixTimer* const timer = TRY(find_timer(task, id));
  TRY(mem::copy_out(current, to_itimerspec(timer->get())));
  return 0;
}

Result<long> sys_timer_getoverrun(Task& task, int id) {
  return TRY(find_timer(task, id))->overrun();
}

Result<long> sys_timer_delete(Task& task, int id) {
  TRY(task.process().posix_timers().remove(id));
  return 0;
}

}  // namespace detent::syscalls

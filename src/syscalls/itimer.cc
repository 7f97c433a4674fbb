#include "syscalls/itimer.h"

#include "emu/mem/user_copy_unsafe.h"
#include "emu/process/process.h"
#include "syscalls/clock_id.h"
#include "syscalls/wait_args.h"

namespace detent::syscalls {
namespace {

using process::ITimers;

bool is_timer(int which) { return which >= 0 && which < static_cast<int>(ITimers::kCount); }

bool is_valid(const timeval& span) {
  return span.tv_sec >= 0 && span.tv_usec >= 0 && span.tv_usec < 1'000'000;
}

std::int64_t to_nanoseconds(const timeval& span) {
  return syscalls::to_nanoseconds(timespec{span.tv_sec, span.tv_usec * 1000});
}

timeval to_timeval(std::int64_t nanoseconds) {
  return {nanoseconds / kNanosPerSecond, nanoseconds % kNanosPerSecond / 1000};
}

itimerval to_itimerval(const ITimers::Times& times) {
  return {to_timeval(times.interval), to_timeval(times.value)};
}

}  // namespace

Result<long> sys_getitimer(Task& task, int which, UserPtr<itimerval> current) {
  if (!is_timer(which)) return Errno{EINVAL};
  TRY(mem::copy_out(current, to_itimerval(task.process().itimers().get(which))));
  return 0;
}

// A null new value disarms (kernel/time/itimer.c; POSIX leaves it open). A bad pointer for the old one
// is found when the timer is set already.
Result<long> sys_setitimer(Task& task, int which, UserPtr<const itimerval> wanted,
                           UserPtr<itimerval> old) {
  itimerval value{};
  if (!wanted.is_null()) value = TRY(mem::copy_in(wanted));
  if (!is_valid(value.it_value) || !is_valid(value.it_interval)) return Errno{EINVAL};
  if (!is_timer(which)) return Errno{EINVAL};
  const ITimers::Times times{to_nanoseconds(value.it_value), to_nanoseconds(value.it_interval)};
  const ITimers::Times before = task.process().itimers().set(time_context(task), which, times);
  if (!old.is_null()) TRY(mem::copy_out(old, to_itimerval(before)));
  return 0;
}

// The seconds that were left are rounded to the nearest, but never down to 0 (alarm_setitimer()).
Result<long> sys_alarm(Task& task, unsigned seconds) {
  const ITimers::Times times{Duration::seconds(seconds).ns(), 0};
  const ITimers::Times before =
      task.process().itimers().set(time_context(task), ITIMER_REAL, times);
  const timeval left = to_timeval(before.value);
  const bool up = (left.tv_sec == 0 && left.tv_usec != 0) || left.tv_usec >= 500'000;
  return static_cast<long>(left.tv_sec) + (up ? 1 : 0);
}

}  // namespace detent::syscalls

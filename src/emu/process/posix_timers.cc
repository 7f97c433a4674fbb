#include "emu/process/posix_timers.h"

#include <algorithm>
#include <limits>

#include "emu/process/process.h"
#include "emu/signal/task_signals.h"
#include "emu/signal/timer_hook.h"

namespace detent::process {
namespace {

constexpr std::int64_t kDelayTimerMax = std::numeric_limits<int>::max();

bool is_realtime(const TimerClock& clock) {
  return clock.kind == TimerClock::Kind::kBase && clock.base == timebase::Base::kRealtime;
}

}  // namespace

PosixTimer::PosixTimer(const TimeContext& context, int id, const TimerClock& clock,
                       const TimerNotice& notice)
    : ClockTimer(context, clock), id_(id), named_clock_(clock), notice_(notice) {}

PosixTimer::Times PosixTimer::set(const Times& wanted, bool absolute) {
  const Times old = get();
  stop();
  next_setting_number();
  missed_ = -1;
  overrun_ = 0;
  interval_ = wanted.value == 0 ? 0 : wanted.interval;
  status_ = Status::kDisarmed;
  // A disarmed SIGEV_NONE timer goes on counting down to its old expiry, unless its clock is one of CPU
  // time (common_timer_set(), posix_cpu_timer_set(); measured).
  const bool counts_on = notice_.none && clock().kind == TimerClock::Kind::kBase;
  if (wanted.value == 0 && counts_on) return old;
  expiry_ = 0;
  if (wanted.value == 0) return old;
  // A relative timer on REALTIME does not follow steps of that clock (common_hrtimer_arm()).
  use_clock(!absolute && is_realtime(named_clock_) ? TimerClock{} : named_clock_);
  expiry_ = absolute ? wanted.value : saturating_add(now(), wanted.value);
  if (notice_.none) return old;
  status_ = Status::kArmed;
  start(expiry_);
  return old;
}

PosixTimer::Times PosixTimer::get() {
  if (interval_ == 0 && status_ == Status::kDisarmed && !notice_.none) return {};
  if (expiry_ == 0) return {};
  if (interval_ != 0 && status_ != Status::kArmed) missed_ = saturating_add(missed_, forward());
  const std::int64_t left = saturating_sub(expiry_, now());
  if (left > 0) return {left, interval_};
  // An armed timer never shows 0, even if its expiry is late; an expired SIGEV_NONE one does
  // (common_timer_get()).
  return {notice_.none ? 0 : 1, interval_};
}

int PosixTimer::overrun() const { return static_cast<int>(std::min(overrun_, kDelayTimerMax)); }

bool PosixTimer::on_taken(siginfo_t& info, std::uint32_t setting) {
  if (setting != setting_number_) return false;
  if (interval_ == 0) return true;
  missed_ = saturating_add(missed_, forward());
  overrun_ = std::max<std::int64_t>(missed_, 0);
  missed_ = -1;
  next_setting_number();
  status_ = Status::kArmed;
  start(expiry_);
  info.si_overrun = overrun();
  return true;
}

// A signal that was queued in spite of SIG_IGN (it was blocked) is sent twice by this; the second one
// is stale as soon as the first is taken.
void PosixTimer::on_unignored(int sig) {
  if (sig == notice_.signal && interval_ != 0 && status_ == Status::kSignalled) send();
}

void PosixTimer::on_due() {
  status_ = interval_ != 0 ? Status::kSignalled : Status::kDisarmed;
  send();
}

void PosixTimer::send() {
  siginfo_t info{};
  info.si_signo = notice_.signal;
  info.si_code = SI_TIMER;
  info.si_timerid = id_;
  info.si_value = notice_.value.value_or(sigval{.sival_int = id_});
  signal::mark_timer_signal(info, setting_number_);
  // Sending to a thread that is no more, or a signal that is ignored, is no error.
  Process& process = context().process;
  if (!notice_.thread) return static_cast<void>(process.signals().send(info));
  Task* task = process.find(*notice_.thread);
  if (task != nullptr) static_cast<void>(task->signals->send(info));
}

std::int64_t PosixTimer::forward() {
  const timebase::Setting setting{expiry_, interval_, true};
  const timebase::Setting::Advance advanced = setting.advance(now());
  expiry_ = advanced.setting.next;
  constexpr std::uint64_t kMost = std::numeric_limits<std::int64_t>::max();
  return static_cast<std::int64_t>(std::min(advanced.expirations, kMost));
}

// 0 means "no mark" (timer_hook.h).
void PosixTimer::next_setting_number() {
  if (++setting_number_ == 0) ++setting_number_;
}

PosixTimer* PosixTimers::find(int id) {
  const auto found = timers_.find(id);
  return found == timers_.end() ? nullptr : found->second.get();
}

Result<void> PosixTimers::remove(int id) {
  if (timers_.erase(id) == 0) return Errno{EINVAL};
  return {};
}

void PosixTimers::clear_for_fork() {
  timers_.clear();
  next_id_ = 0;
}

bool PosixTimers::on_taken(siginfo_t& info, std::uint32_t setting) {
  PosixTimer* timer = find(info.si_timerid);
  return timer != nullptr && timer->on_taken(info, setting);
}

void PosixTimers::on_unignored(int sig) {
  for (auto& [id, timer] : timers_) timer->on_unignored(sig);
}

}  // namespace detent::process

#include "emu/process/itimers.h"

#include <algorithm>
#include <csignal>

#include "emu/process/process.h"
#include "timebase/setting.h"

namespace detent::process {
namespace {

constexpr std::array<int, ITimers::kCount> kSignals = {SIGALRM, SIGVTALRM, SIGPROF};

TimerClock clock_of(int which) {
  TimerClock clock;
  if (which != ITIMER_REAL) clock.kind = TimerClock::Kind::kProcessCpu;
  return clock;
}

// The tick of the hosts we know (CONFIG_HZ=250).
constexpr std::int64_t kTick = 4'000'000;

// What a timer shows that is about to fire: 1 us, or a tick for the CPU timers (kernel/time/itimer.c).
std::int64_t least_shown(int which) { return which == ITIMER_REAL ? 1000 : kTick; }

}  // namespace

IntervalTimer::IntervalTimer(const TimeContext& context, int which)
    : ClockTimer(context, clock_of(which)), which_(which) {}

IntervalTimer::Times IntervalTimer::get() const {
  if (!running()) return {0, interval_};
  return {std::max(saturating_sub(expiry_, now()), least_shown(which_)), interval_};
}

void IntervalTimer::set(const Times& wanted) {
  stop();
  const bool real = which_ == ITIMER_REAL;
  // ITIMER_REAL forgets the period of a timer that is not to run, the CPU timers do not (measured).
  interval_ = real && wanted.value == 0 ? 0 : wanted.interval;
  if (wanted.value == 0) return;
  // set_cpu_itimer() adds a tick, and getitimer(2) shows it.
  expiry_ = saturating_add(now(), saturating_add(wanted.value, real ? 0 : kTick));
  start(expiry_);
}

void IntervalTimer::on_signal_taken() {
  if (running() || interval_ == 0) return;
  expiry_ = timebase::Setting{expiry_, interval_, true}.advance(now()).setting.next;
  start(expiry_);
}

void IntervalTimer::on_due() {
  if (which_ != ITIMER_REAL && interval_ != 0) {
    // check_cpu_itimer(): one period further, whatever the time; a lag is made up for by more signals.
    expiry_ = saturating_add(expiry_, interval_);
    start(expiry_);
  }
  siginfo_t info{};
  info.si_signo = kSignals[static_cast<std::size_t>(which_)];
  info.si_code = SI_KERNEL;
  static_cast<void>(context().process.signals().send(info));
}

ITimers::Times ITimers::get(int which) const {
  const auto& timer = timers_[static_cast<std::size_t>(which)];
  return timer == nullptr ? Times{} : timer->get();
}

ITimers::Times ITimers::set(const TimeContext& context, int which, const Times& wanted) {
  const Times old = get(which);
  auto& timer = timers_[static_cast<std::size_t>(which)];
  if (timer == nullptr) timer = std::make_unique<IntervalTimer>(context, which);
  timer->set(wanted);
  return old;
}

void ITimers::on_alarm_taken() {
  if (timers_[ITIMER_REAL] != nullptr) timers_[ITIMER_REAL]->on_signal_taken();
}

}  // namespace detent::process

#include "emu/fd/timerfd.h"

#include <fmt/format.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <limits>

#include "emu/arch/x86_64/host_call.h"
#include "timebase/setting.h"

namespace detent::fd {
namespace {

using timebase::Base;

constexpr std::int64_t kCancelled = std::numeric_limits<std::int64_t>::max();

Base base_of(int clock_id) {
  switch (clock_id) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_ALARM:
      return Base::kRealtime;
    case CLOCK_BOOTTIME:
    case CLOCK_BOOTTIME_ALARM:
      return Base::kBoottime;
    default:
      return Base::kMonotonic;
  }
}

// The guest's clock follows the host's by the TSC: this close they are the same clock.
constexpr std::int64_t kSameClock = 1'000'000;

std::int64_t host_clock(Base base) {
  const clockid_t id = base == Base::kRealtime   ? CLOCK_REALTIME
                       : base == Base::kBoottime ? CLOCK_BOOTTIME
                                                 : CLOCK_MONOTONIC;
  timespec now{};
  arch::host_call(SYS_clock_gettime, id, &now).value();
  return now.tv_sec * kNanosPerSecond + now.tv_nsec;
}

timespec to_timespec(std::int64_t nanoseconds) {
  return {nanoseconds / kNanosPerSecond, nanoseconds % kNanosPerSecond};
}

}  // namespace

TimerFd::TimerFd(timebase::TimerQueue& timers, timebase::ClockSet& clocks, int clock_id)
    : timers_(timers),
      clocks_(clocks),
      clock_id_(clock_id),
      clock_(base_of(clock_id)),
      timer_base_(clock_),
      alarm_(clock_id == CLOCK_REALTIME_ALARM || clock_id == CLOCK_BOOTTIME_ALARM),
      seen_offset_(clocks.offset(Base::kRealtime)) {
  set_wakes_machine(alarm_);
}

TimerFd::~TimerFd() { timers_.cancel(*this); }

Result<TimerFd::Times> TimerFd::set(const Times& wanted, unsigned flags) {
  update_cancel_on_set(flags);
  timers_.cancel(*this);
  if (due_again()) forward();
  const Times old{remaining(), interval_};
  expired_ = false;
  ticks_ = 0;
  settime_flags_ = flags;
  interval_ = wanted.interval;
  start(wanted.value, (flags & TFD_TIMER_ABSTIME) != 0);
  if (wanted.value != 0 && take_cancel()) return Errno{ECANCELED};
  return old;
}

TimerFd::Times TimerFd::get() {
  if (due_again()) ticks_ += rearm() - 1;
  return {remaining(), interval_};
}

Result<void> TimerFd::set_ticks(std::uint64_t ticks) {
  if (ticks == 0) return Errno{EINVAL};
  if (take_cancel()) return Errno{ECANCELED};
  ticks_ = ticks;
  queue().notify(waitq::kIn);
  return {};
}

waitq::Attempt<std::size_t> TimerFd::read(std::span<std::byte> to) {
  if (to.size() < sizeof(ticks_)) return Errno{EINVAL};
  // A cancelled timer that was disarmed since has no ticks: only a non-blocking reader is told.
  if (ticks_ == 0 && !(nonblocking && cancel_pending())) {
    return waitq::Blocked{&queue(), waitq::kIn};
  }
  if (take_cancel()) {
    ticks_ = 0;
    expired_ = false;
    return Errno{ECANCELED};
  }
  // With the clock set back, rearm() finds no expiry: this is how Linux comes to a read of 0 bytes
  // (timerfd_create(2), "read(2)").
  const std::uint64_t ticks = due_again() ? ticks_ + rearm() - 1 : ticks_;
  expired_ = false;
  ticks_ = 0;
  if (ticks == 0 && nonblocking) return Errno{EAGAIN};
  if (ticks == 0) return std::size_t{0};
  std::memcpy(to.data(), &ticks, sizeof(ticks));
  return sizeof(ticks);
}

waitq::PollMask TimerFd::poll() { return ticks_ != 0 ? waitq::kIn : 0; }

// fs/timerfd.c timerfd_show(): unlike get(), it re-arms nothing.
std::string TimerFd::fdinfo() {
  const auto parts = [](std::int64_t ns) {
    return fmt::format("({}, {})", ns / kNanosPerSecond, ns % kNanosPerSecond);
  };
  return fmt::format(
      "clockid: {}\nticks: {}\nsettime flags: 0{:o}\nit_value: {}\nit_interval: {}\n", clock_id_,
      ticks_, settime_flags_, parts(remaining()), parts(interval_));
}

void TimerFd::on_expire() {
  expired_ = true;
  ++ticks_;
  queue().notify(waitq::kIn);
}

// timerfd_clock_was_set(): what the reader knows decides, and that may be older than the asking for
// cancellation.
void TimerFd::on_jump() {
  if (seen_offset_ == clocks_.offset(Base::kRealtime)) return;
  seen_offset_ = kCancelled;
  ++ticks_;
  queue().notify(waitq::kIn);
}

void TimerFd::update_cancel_on_set(unsigned flags) {
  constexpr unsigned kBoth = TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET;
  const bool wanted = clock_ == Base::kRealtime && (flags & kBoth) == kBoth;
  if (wanted && !JumpListener::is_linked()) clocks_.add_listener(*this);
  if (!wanted && JumpListener::is_linked()) JumpListener::unlink();
}

bool TimerFd::cancel_pending() const {
  return JumpListener::is_linked() && seen_offset_ == kCancelled;
}

bool TimerFd::take_cancel() {
  if (!cancel_pending()) return false;
  seen_offset_ = clocks_.offset(Base::kRealtime);
  return true;
}

// hrtimer_forward_now(): moves the expiry past now, along its grid. Returns how many grid points.
std::uint64_t TimerFd::forward() {
  const timebase::Setting setting{expiry_, interval_, true};
  const timebase::Setting::Advance advanced = setting.advance(clocks_.now(timer_base_));
  expiry_ = advanced.setting.next;
  return advanced.expirations;
}

std::uint64_t TimerFd::rearm() {
  const std::uint64_t expirations = forward();
  expired_ = false;
  timers_.arm(*this, timer_base_, expiry_);
  return expirations;
}

// Measured against the clock even where the timer is not armed: an expired one-shot whose clock was set
// back shows time left again, as on Linux.
std::int64_t TimerFd::remaining() {
  return std::max<std::int64_t>(saturating_sub(expiry_, clocks_.now(timer_base_)), 0);
}

void TimerFd::start(std::int64_t value, bool absolute) {
  if (!alarm_) {
    // hrtimer_setup(): a relative timer on REALTIME does not follow steps of the clock, so it runs on
    // MONOTONIC. Alarm timers have no such rule (kernel/time/alarmtimer.c).
    timer_base_ = !absolute && clock_ == Base::kRealtime ? Base::kMonotonic : clock_;
    expiry_ = 0;
  }
  // A disarmed alarm timer keeps its old expiry, and get() goes on counting down to it (measured).
  if (value == 0) return;
  expiry_ = absolute ? value : saturating_add(clocks_.now(timer_base_), value);
  timers_.arm(*this, timer_base_, expiry_);
}

// The first expiration that has not been read: the host's timer, set to that, has as many.
std::int64_t TimerFd::first_unread() const {
  if (ticks_ == 0 || interval_ == 0) return expiry_;
  const auto unread = static_cast<std::int64_t>(ticks_) - (expired_ ? 1 : 0);
  return saturating_sub(expiry_, unread * interval_);
}

bool TimerFd::hand_over(Fd placeholder, bool host_time) {
  if (!host_time || JumpListener::is_linked()) return false;
  const bool relative = timer_base_ != clock_;
  const std::int64_t host_now = host_clock(timer_base_), now = clocks_.now(timer_base_);
  const bool alike = std::abs(host_now - now) < kSameClock;
  if (!alike && timer_base_ == Base::kRealtime) return false;
  if (ticks_ == 0 && !Timer::armed()) return true;
  const std::int64_t due = alike ? first_unread() : saturating_add(first_unread(), host_now - now);
  const std::int64_t value = relative ? saturating_sub(due, host_now) : due;
  const itimerspec spec{to_timespec(interval_), to_timespec(std::max<std::int64_t>(value, 1))};
  const int flags = relative ? 0 : TFD_TIMER_ABSTIME;
  if (!arch::host_call(SYS_timerfd_settime, raw(placeholder), flags, &spec, nullptr).ok()) {
    return false;
  }
  timers_.cancel(*this);
  return true;
}

}  // namespace detent::fd

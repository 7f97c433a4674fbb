// TimerFd: a timer whose expirations are read as a count.
//
// Made and set by the timerfd adapter; read by the read adapter. The timer queue and the clocks outlive
// it. Times are ns. Source: timerfd_create(2), fs/timerfd.c.
//
// A periodic timer is re-armed by read, get and set only, not when it expires: so a period of 1 ns costs
// nothing while nobody looks, and an unread timer is one event, not one a period (F4).
#pragma once

#include <cstdint>

#include "emu/fd/file.h"
#include "timebase/timer_queue.h"

namespace detent::fd {

class TimerFd final : public File, private timebase::Timer, private timebase::JumpListener {
 public:
  /// As itimerspec: time until the next expiry (0: disarmed) and the period (0: one-shot).
  struct Times {
    std::int64_t value = 0;
    std::int64_t interval = 0;
  };

  /// `clock_id`: one that timerfd_create(2) accepts.
  TimerFd(timebase::TimerQueue& timers, timebase::ClockSet& clocks, int clock_id);
  ~TimerFd() override;

  /// timerfd_settime(2): `flags` are TFD_TIMER_ABSTIME and TFD_TIMER_CANCEL_ON_SET. Returns the setting
  /// that was in force. Unread expirations are dropped (F1, F2). ECANCELED if the clock was set while
  /// cancellation was asked for and nobody has been told yet: the timer is armed all the same.
  Result<Times> set(const Times& wanted, unsigned flags);
  /// timerfd_gettime(2): `value` is the time left, relative, whatever the timer was set with.
  Times get();
  /// ioctl(TFD_IOC_SET_TICKS): makes `ticks` expirations readable. EINVAL for 0; ECANCELED as in set().
  Result<void> set_ticks(std::uint64_t ticks);
  /// True for CLOCK_REALTIME_ALARM and CLOCK_BOOTTIME_ALARM, which need CAP_WAKE_ALARM to be set.
  [[nodiscard]] bool is_alarm() const { return alarm_; }

  /// The number of expirations since the last read or set; 8 bytes. EINVAL for a shorter buffer,
  /// ECANCELED as in set(). Takes 0 bytes (EAGAIN if non-blocking) if the clock was set back behind an
  /// expiry that was being waited for.
  waitq::Attempt<std::size_t> read(std::span<std::byte> to) override;
  waitq::PollMask poll() override;
  /// Not where the host's REALTIME is not the guest's, nor while changes of the clock are watched for.
  bool hand_over(Fd placeholder, bool host_time) override;
  /// Over TimerQueue::clear() in a forked child, which goes on with a copy.
  [[nodiscard]] bool armed() const { return Timer::armed(); }
  void arm_again() { timers_.arm(*this, timer_base_, expiry_); }
  [[nodiscard]] const char* kind() const override { return "timerfd"; }
  [[nodiscard]] std::string fdinfo() override;

 private:
  void on_expire() override;
  void on_jump() override;
  void update_cancel_on_set(unsigned flags);
  [[nodiscard]] bool cancel_pending() const;
  bool take_cancel();
  [[nodiscard]] bool due_again() const { return expired_ && interval_ != 0; }
  std::uint64_t forward();
  std::uint64_t rearm();
  [[nodiscard]] std::int64_t remaining();
  [[nodiscard]] std::int64_t first_unread() const;
  void start(std::int64_t value, bool absolute);

  timebase::TimerQueue& timers_;
  timebase::ClockSet& clocks_;
  int clock_id_;               // what timerfd_create named
  timebase::Base clock_;       // the same without ALARM
  timebase::Base timer_base_;  // what the timer runs on now
  bool alarm_;
  bool expired_ = false;  // since it was last armed
  std::int64_t expiry_ = 0;
  std::int64_t interval_ = 0;
  std::uint64_t ticks_ = 0;
  unsigned settime_flags_ = 0;
  std::int64_t seen_offset_;  // REALTIME - MONOTONIC as the reader knows it, or kCancelled
};

}  // namespace detent::fd

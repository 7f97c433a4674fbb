// PosixTimer, PosixTimers: the timers of timer_create(2).
//
// Life of a signalling timer:
//
//   set() --> armed --expiry--> signal sent --taken--> armed again (periodic) or disarmed (one-shot)
//
// Between expiry and the moment its signal is taken a periodic timer runs no more; what it missed is
// counted then (si_overrun), or when somebody looks (get). Setting or deleting a timer makes a signal
// that is still pending stale: it vanishes when it would be taken, and is shown as pending until then.
// Source: timer_create(2), timer_getoverrun(2), kernel/time/posix-timers.c of Linux 6.18.
#pragma once

#include <csignal>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>

#include "detent/result.h"
#include "emu/process/clock_timer.h"
#include "timebase/setting.h"

namespace detent::process {

/// What a timer does at its expiry. Checked by the adapter.
struct TimerNotice {
  bool none = false;  ///< SIGEV_NONE
  int signal = 0;
  std::optional<Tid> thread;  ///< SIGEV_THREAD_ID; else the process
  /// sigev_value; if absent, the timer's id (timer_create(2) without a sigevent).
  std::optional<sigval> value;
};

class PosixTimer final : private ClockTimer {
 public:
  /// As itimerspec, ns: time until the next expiry (0: disarmed) and the period (0: one-shot).
  struct Times {
    std::int64_t value = 0;
    std::int64_t interval = 0;
  };

  PosixTimer(const TimeContext& context, int id, const TimerClock& clock,
             const TimerNotice& notice);

  /// timer_settime(2). Returns what get() would have.
  Times set(const Times& wanted, bool absolute);
  /// timer_gettime(2). Counts what a periodic timer missed so far.
  Times get();
  /// timer_getoverrun(2): of the last signal taken; at most DELAYTIMER_MAX.
  [[nodiscard]] int overrun() const;

  /// Its signal of setting number `setting` is being taken. False if it is stale.
  bool on_taken(siginfo_t& info, std::uint32_t setting);
  /// `sig` is ignored no more: a periodic timer whose signal was dropped sends it now.
  void on_unignored(int sig);

 private:
  enum class Status : std::uint8_t { kDisarmed, kArmed, kSignalled };

  void on_due() override;
  void send();
  /// Moves the expiry past now; returns how many expiries lay before it.
  std::int64_t forward();
  void next_setting_number();

  int id_;
  TimerClock named_clock_;  // what timer_create named; a relative REALTIME timer runs on MONOTONIC
  TimerNotice notice_;
  Status status_ = Status::kDisarmed;
  std::int64_t expiry_ = 0;
  std::int64_t interval_ = 0;
  // Expiries missed since the last signal taken; -1: the one that sends the signal is none.
  std::int64_t missed_ = -1;
  std::int64_t overrun_ = 0;
  std::uint32_t setting_number_ = 1;
};

/// The timers of a process, by id. Ids count up from 0 and are not used again.
class PosixTimers {
 public:
  /// A fresh id. It is used up even if the creation fails later, as on Linux.
  int next_id() { return next_id_++; }
  void add(int id, std::unique_ptr<PosixTimer> timer) { timers_[id] = std::move(timer); }
  /// Null if there is no such timer.
  [[nodiscard]] PosixTimer* find(int id);
  /// timer_delete(2). EINVAL if there is no such timer.
  Result<void> remove(int id);
  /// execve(2): no timer is left; ids go on.
  void clear_for_exec() { timers_.clear(); }
  /// fork(2): the child has no timers, and ids begin with 0.
  void clear_for_fork();

  /// Passed on from signal::TimerHook; see PosixTimer.
  bool on_taken(siginfo_t& info, std::uint32_t setting);
  void on_unignored(int sig);

 private:
  int next_id_ = 0;
  std::map<int, std::unique_ptr<PosixTimer>> timers_;
};

}  // namespace detent::process

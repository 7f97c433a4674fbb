// Timekeeping: what adjtimex(2) and settimeofday(2) keep besides the clocks themselves: the NTP
// parameters, an adjtime(3) slew and the time zone. The guest's own; the host's are only read, as a
// start. No privilege is asked for, since nothing but the guest's clocks changes.
//
// Frequency, tick and a phase offset that is being worked off change the rate of the guest's clocks; a leap
// second steps REALTIME. Seconds are told to Ntp late, when somebody asks, except where a change of rate or
// a leap second is due: then a timer on REALTIME does it on time.
#pragma once

#include <sys/time.h>
#include <sys/timex.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <utility>

#include "detent/result.h"
#include "detent/units.h"
#include "emu/process/ntp.h"
#include "timebase/clock_set.h"
#include "timebase/timer_queue.h"

namespace detent::process {

class Timekeeping {
 public:
  /// For the next image. Plain data.
  struct State {
    bool ntp_known = false;
    Ntp ntp;
    std::int64_t host_rate = 0;
    std::int64_t accounted = 0;
    std::int64_t slew_left_ns = 0;
    bool zone_known = false;
    struct timezone zone {};
  };

  /// Both outlive it.
  Timekeeping(timebase::ClockSet& clocks, timebase::TimerQueue& timers)
      : clocks_(clocks), slew_(*this, timers), second_(*this, timers) {}

  /// adjtimex(2): does what `request.modes` asks and fills in the rest. The value is the clock state
  /// (TIME_OK, TIME_ERROR, ...). EINVAL.
  Result<long> adjust(timex& request);
  /// clock_settime(2) on REALTIME, ns. EINVAL before the machine was started: the kernel keeps
  /// REALTIME >= MONOTONIC (do_settimeofday64()).
  Result<void> set_realtime(std::int64_t when);

  /// `told` hears of every step of REALTIME by the guest, in ns.
  void tell_steps(std::function<void(std::int64_t)> told) { on_step_ = std::move(told); }

  /// The zone of gettimeofday(2).
  [[nodiscard]] struct timezone zone();
  void set_zone(const struct timezone& zone) { zone_ = zone; }

  [[nodiscard]] State state() const;
  void restore(const State& state);
  /// After TimerQueue::clear(), in a forked child.
  void rearm();

 private:
  // adjtime(3): clocks run 500 ppm faster or slower until the offset is made up for (kernel/time/ntp.c,
  // second_overflow(), MAX_TICKADJ).
  class Slew final : private timebase::Timer {
   public:
    Slew(Timekeeping& keeping, timebase::TimerQueue& timers) : keeping_(keeping), timers_(timers) {}
    ~Slew() override { timers_.cancel(*this); }
    /// Replaces what is left of an earlier one.
    void start(std::int64_t offset_ns);
    [[nodiscard]] std::int64_t left_ns() const;
    /// The present rate, in parts per billion.
    [[nodiscard]] std::int64_t rate() const { return rate_; }
    void rearm();

   private:
    void on_expire() override;
    Timekeeping& keeping_;
    timebase::TimerQueue& timers_;
    std::int64_t rate_ = 0;
    std::int64_t end_ = 0;  // on MONOTONIC
  };

  // The end of a second in which something more than the error bound changes.
  class SecondTimer final : private timebase::Timer {
   public:
    SecondTimer(Timekeeping& keeping, timebase::TimerQueue& timers)
        : keeping_(keeping), timers_(timers) {}
    ~SecondTimer() override { stop(); }
    void start(std::int64_t second) {
      timers_.arm_first(*this, timebase::Base::kRealtime, second * kNanosPerSecond);
    }
    void stop() { timers_.cancel(*this); }

   private:
    void on_expire() override { keeping_.second_ended(); }
    Timekeeping& keeping_;
    timebase::TimerQueue& timers_;
  };

  Ntp& ntp();
  [[nodiscard]] std::int64_t second_at(Instant<Monotonic> when) const;
  void catch_up();
  void second_ended();
  void await_second();
  void forget_past();
  void adjust_slew(timex& request);
  void apply_frequency();
  void show(timex& answer);

  timebase::ClockSet& clocks_;
  std::function<void(std::int64_t)> on_step_;
  std::optional<Ntp> ntp_;
  // By how much the host's clock is bent already: in real time the guest's parameters begin with the host's.
  std::int64_t host_rate_ = 0;
  Instant<Monotonic> accounted_;  // ntp_ knows of the seconds until here
  std::uint64_t settings_ = 0;    // as ClockSet::settings()
  Slew slew_;
  SecondTimer second_;
  std::optional<struct timezone> zone_;
};

}  // namespace detent::process

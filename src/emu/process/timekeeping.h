// Timekeeping: what adjtimex(2) and settimeofday(2) keep besides the clocks themselves: the NTP
// parameters, an adjtime(3) slew and the time zone. The guest's own; the host's are only read, as a
// start. No privilege is asked for, since nothing but the guest's clocks changes.
//
// Frequency and tick change the rate of the guest's clocks. Phase offsets (ADJ_OFFSET without
// ADJ_ADJTIME) and leap second flags are kept, or shown as accepted, but move nothing.
#pragma once

#include <sys/time.h>
#include <sys/timex.h>

#include <cstdint>
#include <optional>

#include "detent/result.h"
#include "detent/units.h"
#include "timebase/clock_set.h"
#include "timebase/timer_queue.h"

namespace detent::process {

class Timekeeping {
 public:
  /// For the next image. Plain data.
  struct State {
    bool parameters_known = false;
    timex parameters{};
    long start_freq = 0;
    long start_tick = 0;
    std::int64_t slew_left_ns = 0;
    bool zone_known = false;
    struct timezone zone {};
  };

  /// Both outlive it.
  Timekeeping(timebase::ClockSet& clocks, timebase::TimerQueue& timers)
      : clocks_(clocks), slew_(*this, timers) {}

  /// adjtimex(2): does what `request.modes` asks and fills in the rest. The value is the clock state
  /// (TIME_OK, TIME_ERROR). EINVAL.
  Result<long> adjust(timex& request);
  /// clock_settime(2) on REALTIME, ns. EINVAL before the machine was started: the kernel keeps
  /// REALTIME >= MONOTONIC (do_settimeofday64()).
  Result<void> set_realtime(std::int64_t when);

  /// The zone of gettimeofday(2).
  [[nodiscard]] struct timezone zone();
  void set_zone(const struct timezone& zone) { zone_ = zone; }

  [[nodiscard]] State state() const;
  void restore(const State& state);
  /// After TimerQueue::clear(), in a forked child.
  void rearm() { slew_.rearm(); }

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

  timex& parameters();
  void change_parameters(const timex& request);
  void apply_frequency();
  void show(timex& answer);

  timebase::ClockSet& clocks_;
  std::optional<timex> parameters_;
  // The parameters at the start: in real time the host's clock runs by them already.
  long start_freq_ = 0;
  long start_tick_ = 0;
  Slew slew_;
  std::optional<struct timezone> zone_;
};

}  // namespace detent::process

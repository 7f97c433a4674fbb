// Timekeeping: what adjtimex(2) and settimeofday(2) keep besides the clocks themselves: the NTP
// parameters and the time zone. The guest's own; the host's are only read, as a start.
//
// Frequency, tick and phase-locked offsets are kept and shown but do not change the rate of any clock;
// adjtime(3)'s slew is made at once, as a step.
#pragma once

#include <sys/time.h>
#include <sys/timex.h>

#include <cstdint>
#include <optional>

#include "detent/result.h"
#include "detent/units.h"
#include "timebase/clock_set.h"

namespace detent::process {

class Timekeeping {
 public:
  /// adjtimex(2): does what `request.modes` asks and fills in the rest. The value is the clock state
  /// (TIME_OK, TIME_ERROR). EPERM where something is to be changed and `may_set` is false; EINVAL.
  Result<long> adjust(timebase::ClockSet& clocks, timex& request, bool may_set);
  /// clock_settime(2) on REALTIME, ns. EINVAL before the machine was started: the kernel keeps
  /// REALTIME >= MONOTONIC (do_settimeofday64()).
  static Result<void> set_realtime(timebase::ClockSet& clocks, std::int64_t when);

  /// The zone of gettimeofday(2).
  [[nodiscard]] struct timezone zone();
  void set_zone(const struct timezone& zone) { zone_ = zone; }

 private:
  timex& parameters(timebase::ClockSet& clocks);
  void change_parameters(timebase::ClockSet& clocks, const timex& request);
  void show(timebase::ClockSet& clocks, timex& answer);

  std::optional<timex> parameters_;
  std::optional<struct timezone> zone_;
};

}  // namespace detent::process

// Setting: what an itimerspec asks for, as pure arithmetic. No clock, heap or object is involved,
// so that it can be tested by properties.
//
// Source: timerfd_settime(2), hrtimer_forward() in kernel/time/hrtimer.c.
#pragma once

#include <cstdint>

#include "detent/units.h"

namespace detent::timebase {

/// A timer's next expiry and period, both in ns on the timer's own clock.
struct Setting {
  std::int64_t next = 0;    ///< instant of the next expiry; meaningless while not armed
  std::int64_t period = 0;  ///< >= 0; 0 means one-shot
  bool armed = false;

  /// What an advance to an instant yields.
  struct Advance;

  /// How many expiries lie at or before `now`, and the setting that follows them. A one-shot
  /// setting yields 0 or 1 and is then disarmed; a periodic one keeps its phase: the next expiry is
  /// the first point of the grid next + k * period after `now`. O(1) whatever the distance; the
  /// count saturates at UINT64_MAX and the next expiry at INT64_MAX.
  [[nodiscard]] Advance advance(std::int64_t now) const;

  /// Time left until the next expiry, at least 1 ns while armed (Linux never shows 0 for an armed
  /// timer: kernel/time/posix-timers.c common_timer_get); 0 if disarmed.
  [[nodiscard]] Duration remaining(std::int64_t now) const;
};

struct Setting::Advance {
  std::uint64_t expirations = 0;
  Setting setting;
};

}  // namespace detent::timebase

// TimeSource: builds the guest's clocks from the configuration and from what an earlier program of the
// session left (execve does not restart time).
#pragma once

#include <memory>

#include "detent/config.h"
#include "timebase/clock_set.h"
#include "timebase/tsc_clock_unsafe.h"
#include "timebase/virtual_clock.h"

namespace detent::emu {

class TimeSource {
 public:
  TimeSource(const Config& config, const ClockState& state);

  [[nodiscard]] timebase::ClockSet& clocks() { return *clocks_; }
  /// Null unless time is virtual.
  [[nodiscard]] timebase::VirtualClock* virtual_clock() { return virtual_clock_; }
  /// Null unless time is real and read from the TSC.
  [[nodiscard]] timebase::TscClock* tsc_clock() { return tsc_clock_; }
  /// For the next image, without events.
  [[nodiscard]] ClockState state();

 private:
  void make_virtual(const ClockState& state);
  void make_real(const Config& config, const ClockState& state);

  std::unique_ptr<timebase::ClockSource> host_;    // null where time is virtual
  std::unique_ptr<timebase::ClockSource> source_;  // null where it is host_
  timebase::VirtualClock* virtual_clock_ = nullptr;
  timebase::TscClock* tsc_clock_ = nullptr;
  std::unique_ptr<timebase::ClockSet> clocks_;
};

}  // namespace detent::emu

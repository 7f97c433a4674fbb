// VdsoClock: keeps the page that the guest's vDSO reads (vdso_page.h), and maps both.
//
// Only where a clock read is the same in the vDSO and in the kernel: real time by the TSC. Elsewhere the
// guest gets no vDSO, and each read is a system call. What a reader sees is what TscClock::now() would
// answer, so the two can be mixed; a reader whose line has run out makes the call, which renews it.
#pragma once

#include <cstdint>

#include "timebase/clock_set.h"
#include "timebase/tsc_clock_unsafe.h"

namespace detent::vdso {

/// Maps page and image at their fixed place; the page says "not usable". Returns the image's address, for
/// AT_SYSINFO_EHDR, or 0 if there was no room.
std::uint64_t map_image();

class VdsoClock final : private timebase::JumpListener {
 public:
  /// Both outlive this object. map_image() has been called.
  VdsoClock(timebase::TscClock& clock, timebase::ClockSet& clocks);
  ~VdsoClock();
  VdsoClock(const VdsoClock&) = delete;
  VdsoClock& operator=(const VdsoClock&) = delete;

 private:
  void on_jump() override { publish(); }
  void publish();

  timebase::TscClock& clock_;
  timebase::ClockSet& clocks_;
};

}  // namespace detent::vdso

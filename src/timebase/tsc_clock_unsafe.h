// TscClock: MONOTONIC from the time stamp counter, kept together with the host's CLOCK_MONOTONIC.
//
// Readings follow a line (tsc_line.h) that one reading in each kResyncInterval bends towards the
// host clock, so the clock never jumps while it is being read and never goes back.
//
// HostClock is the fall-back where the TSC is not invariant: one host clock_gettime a reading.
#pragma once

#include <cstdint>

#include "timebase/clock.h"
#include "timebase/tsc_line.h"

namespace detent::timebase {

/// The host's CLOCK_MONOTONIC by system call. Used where the vDSO must not be entered (PR_SET_TSC).
Instant<Monotonic> host_monotonic();
/// The host's CLOCK_REALTIME by system call, ns since the epoch.
Instant<Realtime> host_realtime();
/// The host's CLOCK_BOOTTIME by system call.
Instant<Boottime> host_boottime();

class HostClock final : public ClockSource {
 public:
  [[nodiscard]] Instant<Monotonic> now() override { return host_monotonic(); }
};

class TscClock final : public ClockSource {
 public:
  /// How often a reading compares itself with the host clock.
  static constexpr std::int64_t kResyncInterval = TscLine::kResyncInterval;

  /// True if CPUID says that the TSC ticks at a constant rate in every state (Intel SDM vol. 3,
  /// 18.17.1 "Invariant TSC"; CPUID.80000007H:EDX[8]).
  static bool available();

  /// Calibrates against the host clock; takes about 200 us. Never shows less than `not_before`: what
  /// the image before this one showed last may be a little ahead of a fresh calibration.
  explicit TscClock(Instant<Monotonic> not_before = {});

  [[nodiscard]] Instant<Monotonic> now() override;

  /// The present line, for the vDSO page. A reader whose counter is outside of it (see
  /// TscLine::Parameters) calls now() instead.
  using Line = TscLine::Parameters;
  [[nodiscard]] const Line& line() const { return line_.parameters(); }
  /// `hook(context)` is called whenever the line has changed, in whatever context now() was called.
  void set_resync_hook(void (*hook)(void*), void* context) {
    hook_ = hook;
    hook_context_ = context;
  }

 private:
  TscLine line_;
  void (*hook_)(void*) = nullptr;
  void* hook_context_ = nullptr;
  std::int64_t last_;
};

}  // namespace detent::timebase

// VirtualClock: stands still while anything can run, and is moved by its owner only.
//
// Rules: only the scheduler's idle path jumps it to the next deadline; every kernel entry charges
// it a small fixed cost, so that a loop that polls the clock makes progress. It never goes back.
// It *is* MONOTONIC: a frequency other than the nominal one shows in how fast MONOTONIC_RAW follows.
#pragma once

#include <atomic>
#include <cstdint>

#include "timebase/clock.h"
#include "timebase/rate_line.h"

namespace detent::timebase {

class VirtualClock final : public ClockSource {
 public:
  explicit VirtualClock(Instant<Monotonic> start)
      : own_(start.ns()), raw_(start.ns(), start.ns(), Frequency::kOne) {}

  [[nodiscard]] Instant<Monotonic> now() override {
    return Instant<Monotonic>::from_ns(now_->load(std::memory_order_relaxed));
  }
  [[nodiscard]] std::int64_t raw() override { return raw_.latest(now().ns()); }
  bool set_frequency(Frequency frequency) override;
  [[nodiscard]] bool is_virtual() const override { return true; }
  [[nodiscard]] Duration host_time_until(Instant<Monotonic>) override { return Duration(); }

  /// Moves time forward by `cost` (>= 0).
  void charge(Duration cost);
  /// Jumps to `instant`; a past instant leaves the clock where it is.
  void advance_to(Instant<Monotonic> instant);

  /// From now on the time is kept in `cell`, which other processes read and move too.
  void share(std::atomic<std::int64_t>& cell) { now_ = &cell; }

 private:
  std::atomic<std::int64_t> own_;
  std::atomic<std::int64_t>* now_ = &own_;
  RateLine raw_;  // from MONOTONIC_RAW to MONOTONIC
};

}  // namespace detent::timebase

#include "emu/kernel/time_source.h"

#include "timebase/scaled_clock.h"
#include "timebase/tsc_clock_unsafe.h"

namespace detent::emu {
namespace {

// Where virtual time starts: the machine has been up for 1,000 s, and it is 2026-01-01 00:00:00 UTC.
constexpr std::int64_t kVirtualUptime = 1000 * kNanosPerSecond;
constexpr std::int64_t kVirtualEpoch = 1'767'225'600 * kNanosPerSecond;

std::unique_ptr<timebase::ClockSource> host_clock() {
  if (timebase::TscClock::available()) return std::make_unique<timebase::TscClock>();
  return std::make_unique<timebase::HostClock>();
}

}  // namespace

TimeSource::TimeSource(const Config& config, const ClockState& state) {
  std::int64_t realtime = 0;
  std::int64_t boottime = 0;
  if (config.time == TimeMode::kVirtual) {
    const std::int64_t start = state.valid ? state.monotonic_ns : kVirtualUptime;
    auto clock = std::make_unique<timebase::VirtualClock>(Instant<Monotonic>::from_ns(start));
    virtual_clock_ = clock.get();
    source_ = std::move(clock);
    realtime = config.epoch_ns != 0 ? config.epoch_ns : kVirtualEpoch;
    boottime = start;
  } else {
    source_ = host_clock();
    realtime = timebase::host_realtime().ns();
    boottime = timebase::host_boottime().ns();
    if (config.time == TimeMode::kScaled) {
      host_ = std::move(source_);
      source_ = std::make_unique<timebase::ScaledClock>(*host_, config.scale);
    }
  }
  const std::int64_t now = source_->now().ns();
  if (state.valid) {
    realtime = now + state.realtime_offset_ns;
    boottime = now + state.boottime_offset_ns;
  }
  clocks_ = std::make_unique<timebase::ClockSet>(*source_, Instant<Realtime>::from_ns(realtime),
                                                 Instant<Boottime>::from_ns(boottime));
  if (state.tai_offset != 0) clocks_->set_tai_offset(state.tai_offset);
}

ClockState TimeSource::state() {
  return {true, clocks_->monotonic().ns(), clocks_->offset(timebase::Base::kRealtime),
          clocks_->offset(timebase::Base::kBoottime), clocks_->tai_offset()};
}

}  // namespace detent::emu

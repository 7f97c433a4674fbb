#include "emu/kernel/time_source.h"

#include <algorithm>

#include "timebase/scaled_clock.h"
#include "timebase/tsc_clock_unsafe.h"

namespace detent::emu {
namespace {

// Where virtual time starts: the machine has been up for 1,000 s, and it is 2026-01-01 00:00:00 UTC.
constexpr std::int64_t kVirtualUptime = 1000 * kNanosPerSecond;
constexpr std::int64_t kVirtualEpoch = 1'767'225'600 * kNanosPerSecond;

std::unique_ptr<timebase::ClockSource> host_clock(const ClockState& state,
                                                  timebase::TscClock** tsc) {
  if (!timebase::TscClock::available()) return std::make_unique<timebase::HostClock>();
  auto clock = std::make_unique<timebase::TscClock>(Instant<Monotonic>::from_ns(state.host_ns));
  *tsc = clock.get();
  return clock;
}

// REALTIME and BOOTTIME where this is the first program.
struct Start {
  std::int64_t realtime;
  std::int64_t boottime;
};

Start first_start(const Config& config, timebase::ClockSource& source) {
  Start start{timebase::host_realtime().ns(), timebase::host_boottime().ns()};
  if (source.is_virtual()) start = {kVirtualEpoch, source.now().ns()};
  if (config.epoch_given) start.realtime = std::max(config.epoch_ns, source.now().ns());
  return start;
}

}  // namespace

void TimeSource::make_virtual(const ClockState& state) {
  const std::int64_t start = state.valid ? state.monotonic_ns : kVirtualUptime;
  auto clock = std::make_unique<timebase::VirtualClock>(Instant<Monotonic>::from_ns(start));
  virtual_clock_ = clock.get();
  source_ = std::move(clock);
}

void TimeSource::make_real(const Config& config, const ClockState& state) {
  host_ = host_clock(state, &tsc_clock_);
  if (config.time != TimeMode::kScaled && !state.bent) return;
  tsc_clock_ = nullptr;
  const double factor = config.time == TimeMode::kScaled ? config.scale : 1.0;
  if (!state.valid) {
    source_ = std::make_unique<timebase::ScaledClock>(*host_, factor);
    return;
  }
  source_ = std::make_unique<timebase::ScaledClock>(
      *host_, factor, Instant<Monotonic>::from_ns(state.host_ns),
      Instant<Monotonic>::from_ns(state.monotonic_ns));
}

TimeSource::TimeSource(const Config& config, const ClockState& state) {
  if (config.time == TimeMode::kVirtual) {
    make_virtual(state);
  } else {
    make_real(config, state);
  }
  timebase::ClockSource& source = source_ != nullptr ? *source_ : *host_;
  Start start = first_start(config, source);
  if (state.valid) {
    const std::int64_t now = source.now().ns();
    start = {now + state.realtime_offset_ns, now + state.boottime_offset_ns};
  }
  clocks_ = std::make_unique<timebase::ClockSet>(source, Instant<Realtime>::from_ns(start.realtime),
                                                 Instant<Boottime>::from_ns(start.boottime));
  if (!state.valid) return;
  if (state.tai_offset != 0) clocks_->set_tai_offset(state.tai_offset);
  clocks_->set_raw_offset(state.raw_offset_ns);
  clocks_->set_frequency({state.frequency});
  clocks_->set_slew({state.slew});
}

ClockState TimeSource::state() {
  ClockState state;
  state.valid = true;
  state.monotonic_ns = clocks_->monotonic().ns();
  // Read second: so the next image's clock starts no earlier than this one's ends.
  if (host_ != nullptr) state.host_ns = host_->now().ns();
  state.bent = host_ != nullptr && (source_ != nullptr || clocks_->bent());
  state.realtime_offset_ns = clocks_->offset(timebase::Base::kRealtime);
  state.boottime_offset_ns = clocks_->offset(timebase::Base::kBoottime);
  state.tai_offset = clocks_->tai_offset();
  state.raw_offset_ns = saturating_sub(clocks_->raw(), state.monotonic_ns);
  state.frequency = clocks_->frequency().parts;
  state.slew = clocks_->slew().parts;
  return state;
}

}  // namespace detent::emu

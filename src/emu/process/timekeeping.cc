#include "emu/process/timekeeping.h"

#include <sys/syscall.h>

#include <algorithm>
#include <cstdlib>
#include <limits>

#include "emu/arch/x86_64/host_call.h"

namespace detent::process {
namespace {

// include/linux/timex.h, kernel/time/ntp.c.
constexpr int kAdjTime = 0x8000;      // ADJ_ADJTIME: adjtime(3), not NTP
constexpr int kAdjReadOnly = 0x2000;  // ADJ_OFFSET_READONLY
constexpr long kMaxFrequency = 500L << 16;
constexpr long kFrequencyScale = 65'536'000;  // PPM_SCALE
constexpr long kMaxError = 16'000'000;
constexpr long kMaxConstant = 10;
constexpr long kMaxTai = 100'000;
constexpr long kMaxSlew = 1'000'000'000'000;  // ours, in us: so that it fits in ns
constexpr std::int64_t kSlewRate = 500'000;   // ppb
constexpr int kReadOnlyStatus = STA_PPSSIGNAL | STA_PPSJITTER | STA_PPSWANDER | STA_PPSERROR |
                                STA_CLOCKERR | STA_NANO | STA_MODE | STA_CLK;

// A kernel that no NTP daemon has told anything yet (kernel/time/ntp.c ntp_clear()).
timex parameters_at_boot() {
  timex start{};
  start.status = STA_UNSYNC;
  start.maxerror = kMaxError;
  start.esterror = kMaxError;
  start.constant = 2;
  start.tick = 10'000;
  return start;
}

Result<void> check_offset(const timex& request) {
  if ((request.modes & ADJ_SETOFFSET) == 0) return {};
  const long limit = (request.modes & ADJ_NANO) != 0 ? 1'000'000'000 : 1'000'000;
  if (request.time.tv_usec < 0 || request.time.tv_usec >= limit) return Errno{EINVAL};
  return {};
}

// timekeeping_validate_timex(), for somebody who may set the time.
Result<void> check(const timex& request) {
  const unsigned modes = request.modes;
  if ((modes & kAdjTime) != 0) {
    if ((modes & ADJ_OFFSET) == 0) return Errno{EINVAL};
  } else {
    const bool bad_tick = request.tick < 9'000 || request.tick > 11'000;
    if ((modes & ADJ_TICK) != 0 && bad_tick) return Errno{EINVAL};
  }
  TRY(check_offset(request));
  constexpr long kLimit = std::numeric_limits<long>::max() / kFrequencyScale;
  const bool overflow = request.freq > kLimit || request.freq < -kLimit;
  if ((modes & ADJ_FREQUENCY) != 0 && overflow) return Errno{EINVAL};
  return {};
}

std::int64_t nanoseconds(const timex& request) {
  const bool nano = (request.modes & ADJ_NANO) != 0;
  const std::int64_t whole = request.time.tv_sec;
  if (whole > std::numeric_limits<std::int64_t>::max() / kNanosPerSecond - 1) {
    return std::numeric_limits<std::int64_t>::max();
  }
  if (whole < std::numeric_limits<std::int64_t>::min() / kNanosPerSecond + 1) {
    return std::numeric_limits<std::int64_t>::min();
  }
  return whole * kNanosPerSecond + request.time.tv_usec * (nano ? 1 : 1000);
}

}  // namespace

void Timekeeping::Slew::start(std::int64_t offset_ns) {
  timers_.cancel(*this);
  rate_ = offset_ns == 0 ? 0 : offset_ns > 0 ? kSlewRate : -kSlewRate;
  if (rate_ == 0) return;
  // MONOTONIC is bent by it, too: `offset` is gained over offset / rate of unbent time.
  const std::int64_t unbent = std::abs(offset_ns) * (kNanosPerSecond / kSlewRate);
  end_ = saturating_add(keeping_.clocks_.monotonic().ns(), saturating_add(unbent, offset_ns));
  timers_.arm(*this, timebase::Base::kMonotonic, end_);
}

std::int64_t Timekeeping::Slew::left_ns() const {
  if (rate_ == 0) return 0;
  const std::int64_t left = saturating_sub(end_, keeping_.clocks_.monotonic().ns());
  if (left <= 0) return 0;
  return static_cast<std::int64_t>(static_cast<__int128>(left) * rate_ / (kNanosPerSecond + rate_));
}

void Timekeeping::Slew::rearm() {
  if (rate_ != 0) timers_.arm(*this, timebase::Base::kMonotonic, end_);
}

void Timekeeping::Slew::on_expire() {
  rate_ = 0;
  keeping_.apply_frequency();
}

Result<void> Timekeeping::set_realtime(std::int64_t when) {
  if (when < clocks_.monotonic().ns()) return Errno{EINVAL};
  const std::int64_t now = clocks_.now(timebase::Base::kRealtime);
  clocks_.step_realtime(Duration::nanoseconds(saturating_sub(when, now)));
  return {};
}

Result<long> Timekeeping::adjust(timex& request) {
  TRY(check(request));
  if ((request.modes & ADJ_SETOFFSET) != 0) {
    const std::int64_t now = clocks_.now(timebase::Base::kRealtime);
    TRY(set_realtime(saturating_add(now, nanoseconds(request))));
  }
  if ((request.modes & kAdjTime) == 0) {
    change_parameters(request);
  } else {
    const std::int64_t left = slew_.left_ns();
    if ((request.modes & kAdjReadOnly) == 0) {
      slew_.start(std::clamp(request.offset, -kMaxSlew, kMaxSlew) * 1000);
      apply_frequency();
    }
    request.offset = left / 1000;  // of the earlier one
  }
  show(request);
  return (parameters().status & (STA_UNSYNC | STA_CLOCKERR)) != 0 ? TIME_ERROR : TIME_OK;
}

Timekeeping::State Timekeeping::state() const {
  State state;
  state.parameters_known = parameters_.has_value();
  if (parameters_) state.parameters = *parameters_;
  state.start_freq = start_freq_;
  state.start_tick = start_tick_;
  state.slew_left_ns = slew_.left_ns();
  state.zone_known = zone_.has_value();
  if (zone_) state.zone = *zone_;
  return state;
}

void Timekeeping::restore(const State& state) {
  if (state.zone_known) zone_ = state.zone;
  if (!state.parameters_known) return;
  parameters_ = state.parameters;
  start_freq_ = state.start_freq;
  start_tick_ = state.start_tick;
  slew_.start(state.slew_left_ns);
  apply_frequency();
}

struct timezone Timekeeping::zone() {
  if (!zone_) {
    struct timezone host {};
    static_cast<void>(arch::host_call(SYS_gettimeofday, nullptr, &host));
    zone_ = host;
  }
  return *zone_;
}

// In real time the guest starts with what the host has; in virtual time the host must not show.
timex& Timekeeping::parameters() {
  if (!parameters_) {
    timex host{};
    const bool ask = !clocks_.source().is_virtual();
    const bool known = ask && arch::host_call(SYS_adjtimex, &host).ok();
    parameters_ = known ? host : parameters_at_boot();
    parameters_->offset = 0;
    start_freq_ = parameters_->freq;
    start_tick_ = parameters_->tick;
  }
  return *parameters_;
}

// A frequency is in ppm with 16 bits of fraction; a tick more or less, of 10,000 a second's hundredth,
// is 100 ppm (ntp_update_frequency()).
void Timekeeping::apply_frequency() {
  const timex& state = parameters();
  using Wide = __int128;
  const Wide freq = Wide{state.freq - start_freq_} * timebase::Frequency::kOne / 65'536'000'000;
  const Wide tick = Wide{state.tick - start_tick_} * timebase::Frequency::kOne / 10'000;
  const std::int64_t slew = timebase::Frequency::from_ppb(slew_.rate()).parts;
  clocks_.set_frequency({static_cast<std::int64_t>(freq + tick) + slew});
}

// process_adjtimex_modes().
void Timekeeping::change_parameters(const timex& request) {
  timex& state = parameters();
  const unsigned modes = request.modes;
  if ((modes & ADJ_STATUS) != 0) {
    state.status = (state.status & kReadOnlyStatus) | (request.status & ~kReadOnlyStatus);
  }
  if ((modes & ADJ_NANO) != 0) state.status |= STA_NANO;
  if ((modes & ADJ_MICRO) != 0) state.status &= ~STA_NANO;
  if ((modes & ADJ_FREQUENCY) != 0) {
    state.freq = std::clamp(request.freq, -kMaxFrequency, kMaxFrequency);
  }
  if ((modes & ADJ_MAXERROR) != 0) state.maxerror = std::clamp(request.maxerror, 0L, kMaxError);
  if ((modes & ADJ_ESTERROR) != 0) state.esterror = std::clamp(request.esterror, 0L, kMaxError);
  if ((modes & ADJ_TIMECONST) != 0) {
    const long shift = (state.status & STA_NANO) != 0 ? 0 : 4;
    state.constant =
        std::clamp(std::clamp(request.constant, 0L, kMaxConstant) + shift, 0L, kMaxConstant);
  }
  if ((modes & ADJ_TICK) != 0) state.tick = request.tick;
  if ((modes & (ADJ_TICK | ADJ_FREQUENCY)) != 0) apply_frequency();
  if ((modes & ADJ_TAI) != 0 && request.constant >= 0 && request.constant <= kMaxTai) {
    clocks_.set_tai_offset(static_cast<std::int32_t>(request.constant));
  }
}

void Timekeeping::show(timex& answer) {
  const timex& state = parameters();
  const std::int64_t now = clocks_.now(timebase::Base::kRealtime);
  const std::int64_t fraction = now % kNanosPerSecond;
  if ((answer.modes & kAdjTime) == 0) answer.offset = state.offset;
  answer.freq = state.freq;
  answer.maxerror = state.maxerror;
  answer.esterror = state.esterror;
  answer.status = state.status;
  answer.constant = state.constant;
  answer.precision = 1;
  answer.tolerance = kMaxFrequency;
  answer.tick = state.tick;
  answer.tai = clocks_.tai_offset();
  answer.ppsfreq = answer.jitter = answer.stabil = 0;
  answer.shift = 0;
  answer.jitcnt = answer.calcnt = answer.errcnt = answer.stbcnt = 0;
  answer.time.tv_sec = now / kNanosPerSecond;
  answer.time.tv_usec = (state.status & STA_NANO) != 0 ? fraction : fraction / 1000;
}

}  // namespace detent::process

#include "emu/process/timekeeping.h"

#include <sys/syscall.h>

#include <algorithm>
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

Result<void> check_offset(const timex& request, bool may_set) {
  if ((request.modes & ADJ_SETOFFSET) == 0) return {};
  if (!may_set) return Errno{EPERM};
  const long limit = (request.modes & ADJ_NANO) != 0 ? 1'000'000'000 : 1'000'000;
  if (request.time.tv_usec < 0 || request.time.tv_usec >= limit) return Errno{EINVAL};
  return {};
}

// timekeeping_validate_timex().
Result<void> check(const timex& request, bool may_set) {
  const unsigned modes = request.modes;
  if ((modes & kAdjTime) != 0) {
    if ((modes & ADJ_OFFSET) == 0) return Errno{EINVAL};
    if ((modes & kAdjReadOnly) == 0 && !may_set) return Errno{EPERM};
  } else {
    if (modes != 0 && !may_set) return Errno{EPERM};
    const bool bad_tick = request.tick < 9'000 || request.tick > 11'000;
    if ((modes & ADJ_TICK) != 0 && bad_tick) return Errno{EINVAL};
  }
  TRY(check_offset(request, may_set));
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

Result<void> Timekeeping::set_realtime(timebase::ClockSet& clocks, std::int64_t when) {
  if (when < clocks.monotonic().ns()) return Errno{EINVAL};
  const std::int64_t now = clocks.now(timebase::Base::kRealtime);
  clocks.step_realtime(Duration::nanoseconds(saturating_sub(when, now)));
  return {};
}

Result<long> Timekeeping::adjust(timebase::ClockSet& clocks, timex& request, bool may_set) {
  TRY(check(request, may_set));
  if ((request.modes & ADJ_SETOFFSET) != 0) {
    const std::int64_t now = clocks.now(timebase::Base::kRealtime);
    TRY(set_realtime(clocks, saturating_add(now, nanoseconds(request))));
  }
  if ((request.modes & kAdjTime) == 0) {
    change_parameters(clocks, request);
  } else {
    if ((request.modes & kAdjReadOnly) == 0) {
      const std::int64_t slew = std::clamp(request.offset, -kMaxSlew, kMaxSlew);
      clocks.step_realtime(Duration::microseconds(slew));
    }
    request.offset = 0;  // what is left of an earlier slew
  }
  show(clocks, request);
  const timex& state = parameters(clocks);
  return (state.status & (STA_UNSYNC | STA_CLOCKERR)) != 0 ? TIME_ERROR : TIME_OK;
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
timex& Timekeeping::parameters(timebase::ClockSet& clocks) {
  if (!parameters_) {
    timex host{};
    const bool ask = !clocks.source().is_virtual();
    const bool known = ask && arch::host_call(SYS_adjtimex, &host).ok();
    parameters_ = known ? host : parameters_at_boot();
    parameters_->offset = 0;
  }
  return *parameters_;
}

// process_adjtimex_modes().
void Timekeeping::change_parameters(timebase::ClockSet& clocks, const timex& request) {
  timex& state = parameters(clocks);
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
  if ((modes & ADJ_TAI) != 0 && request.constant >= 0 && request.constant <= kMaxTai) {
    clocks.set_tai_offset(static_cast<std::int32_t>(request.constant));
  }
}

void Timekeeping::show(timebase::ClockSet& clocks, timex& answer) {
  const timex& state = parameters(clocks);
  const std::int64_t now = clocks.now(timebase::Base::kRealtime);
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
  answer.tai = clocks.tai_offset();
  answer.ppsfreq = answer.jitter = answer.stabil = 0;
  answer.shift = 0;
  answer.jitcnt = answer.calcnt = answer.errcnt = answer.stbcnt = 0;
  answer.time.tv_sec = now / kNanosPerSecond;
  answer.time.tv_usec = (state.status & STA_NANO) != 0 ? fraction : fraction / 1000;
}

}  // namespace detent::process

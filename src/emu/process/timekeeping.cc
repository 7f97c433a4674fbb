#include "emu/process/timekeeping.h"

#include <sys/syscall.h>

#include <algorithm>
#include <cstdlib>
#include <limits>

#include "emu/arch/x86_64/host_call.h"

namespace detent::process {
namespace {

constexpr int kAdjTime = 0x8000;              // ADJ_ADJTIME: adjtime(3), not NTP
constexpr int kAdjReadOnly = 0x2000;          // ADJ_OFFSET_READONLY
constexpr long kMaxTai = 100'000;             // MAX_TAI_OFFSET
constexpr long kMaxSlew = 1'000'000'000'000;  // ours, in us: so that it fits in ns
constexpr std::int64_t kSlewRate = 500'000;   // ppb

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
  const std::int64_t by = saturating_sub(when, now);
  clocks_.step_realtime(Duration::nanoseconds(by));
  forget_past();
  if (on_step_) on_step_(by);
  return {};
}

Result<long> Timekeeping::adjust(timex& request) {
  TRY(Ntp::check(request));
  if ((request.modes & ADJ_SETOFFSET) != 0) {
    const std::int64_t now = clocks_.now(timebase::Base::kRealtime);
    TRY(set_realtime(saturating_add(now, nanoseconds(request))));
  }
  const std::int64_t rate = ntp().rate();
  catch_up();
  if ((request.modes & kAdjTime) != 0) {
    adjust_slew(request);
  } else {
    ntp().change(request, second_at(accounted_));
    const bool sets_tai = (request.modes & ADJ_TAI) != 0;
    if (sets_tai && request.constant >= 0 && request.constant <= kMaxTai) {
      clocks_.set_tai_offset(static_cast<std::int32_t>(request.constant));
    }
  }
  if (ntp().rate() != rate) apply_frequency();
  await_second();
  show(request);
  return ntp().state();
}

void Timekeeping::adjust_slew(timex& request) {
  const std::int64_t left = slew_.left_ns();
  if ((request.modes & kAdjReadOnly) == 0) {
    slew_.start(std::clamp(request.offset, -kMaxSlew, kMaxSlew) * 1000);
    apply_frequency();
  }
  request.offset = left / 1000;  // of the earlier one
}

Timekeeping::State Timekeeping::state() const {
  State state;
  state.ntp_known = ntp_.has_value();
  if (ntp_) state.ntp = *ntp_;
  state.host_rate = host_rate_;
  state.accounted = accounted_.ns();
  state.slew_left_ns = slew_.left_ns();
  state.zone_known = zone_.has_value();
  if (zone_) state.zone = *zone_;
  return state;
}

void Timekeeping::restore(const State& state) {
  if (state.zone_known) zone_ = state.zone;
  if (!state.ntp_known) return;
  ntp_ = state.ntp;
  host_rate_ = state.host_rate;
  accounted_ = Instant<Monotonic>::from_ns(state.accounted);
  settings_ = clocks_.settings();
  slew_.start(state.slew_left_ns);
  apply_frequency();
  second_ended();
}

void Timekeeping::rearm() {
  slew_.rearm();
  if (ntp_) await_second();
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
Ntp& Timekeeping::ntp() {
  if (ntp_) return *ntp_;
  timex host{};
  const bool ask = !clocks_.source().is_virtual();
  const bool known = ask && arch::host_call(SYS_adjtimex, &host).ok();
  ntp_ = known ? Ntp(host) : Ntp();
  host_rate_ = ntp_->rate();
  accounted_ = clocks_.monotonic();
  return *ntp_;
}

std::int64_t Timekeeping::second_at(Instant<Monotonic> when) const {
  return saturating_add(when.ns(), clocks_.offset(timebase::Base::kRealtime)) / kNanosPerSecond;
}

// Tells ntp() of the seconds that went by. A suspend counts as none: the machine did not tick.
void Timekeeping::catch_up() {
  if (settings_ != clocks_.settings()) forget_past();
  std::int64_t second = second_at(accounted_);
  accounted_ = std::max(accounted_, clocks_.monotonic());
  std::int64_t end = second_at(accounted_);
  while (second < end) {
    if (ntp().at_rest(second)) return ntp().grow(end - second);
    const int leap = ntp().second_over(++second);
    if (leap == 0) continue;
    clocks_.leap(leap);
    second += leap;
    end += leap;
  }
}

// ntp_clear(): whoever sets the clock ends all that was to correct it.
void Timekeeping::forget_past() {
  ntp().clear();
  settings_ = clocks_.settings();
  accounted_ = clocks_.monotonic();
  slew_.start(0);
  apply_frequency();
  await_second();
}

void Timekeeping::second_ended() {
  const std::int64_t rate = ntp().rate();
  catch_up();
  if (ntp().rate() != rate) apply_frequency();
  await_second();
}

void Timekeeping::await_second() {
  const std::int64_t second = second_at(accounted_);
  if (ntp().at_rest(second)) return second_.stop();
  second_.start(ntp().next_event(second));
}

void Timekeeping::apply_frequency() {
  using Wide = __int128;
  const Wide parts =
      Wide{ntp().rate() - host_rate_} * timebase::Frequency::kOne / (Wide{kNanosPerSecond} << 32);
  const std::int64_t slew = timebase::Frequency::from_ppb(slew_.rate()).parts;
  clocks_.set_frequency({static_cast<std::int64_t>(parts) + slew});
}

void Timekeeping::show(timex& answer) {
  const std::int64_t now = clocks_.now(timebase::Base::kRealtime);
  const std::int64_t fraction = now % kNanosPerSecond;
  ntp().show(answer);
  answer.tai = clocks_.tai_offset();
  answer.time.tv_sec = now / kNanosPerSecond;
  answer.time.tv_usec = (answer.status & STA_NANO) != 0 ? fraction : fraction / 1000;
}

}  // namespace detent::process

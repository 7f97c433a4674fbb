#include "emu/process/ntp.h"

#include <algorithm>
#include <limits>

namespace detent::process {
namespace {

// include/linux/timex.h, kernel/time/ntp.c.
constexpr int kAdjTime = 0x8000;  // ADJ_ADJTIME
constexpr int kScaleShift = 32;   // NTP_SCALE_SHIFT
constexpr std::int64_t kTicksPerSecond = 250;
constexpr std::int64_t kFrequencyScale = 65'536'000;                     // PPM_SCALE
constexpr std::int64_t kFastest = std::int64_t{500'000} << kScaleShift;  // MAXFREQ_SCALED
constexpr long kMaxError = 16'000'000;
constexpr long kErrorGrowth = 500;  // us a second
constexpr long kMaxConstant = 10;
constexpr std::int64_t kMaxPhase = 500'000'000;  // ns
constexpr int kPllShift = 2;
constexpr int kFllShift = 2;
constexpr std::int64_t kShortestFll = 256;  // s
constexpr std::int64_t kLongestPll = 2048;
constexpr std::int64_t kDay = 86'400;
constexpr int kReadOnlyStatus = STA_PPSSIGNAL | STA_PPSJITTER | STA_PPSWANDER | STA_PPSERROR |
                                STA_CLOCKERR | STA_NANO | STA_MODE | STA_CLK;
constexpr int kLeapFlags = STA_INS | STA_DEL;
constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

// Towards zero.
std::int64_t shift_right(std::int64_t value, long bits) {
  return value < 0 ? -(-value >> bits) : value >> bits;
}

long bounded(long value, long limit) { return std::clamp(value, 0L, limit); }

}  // namespace

Ntp::Ntp(const timex& host)
    : status_(host.status),
      max_error_(host.maxerror),
      est_error_(host.esterror),
      constant_(host.constant),
      tick_(host.tick),
      frequency_(host.freq * kFrequencyScale) {}

// timekeeping_validate_timex().
Result<void> Ntp::check(const timex& request) {
  const unsigned modes = request.modes;
  if ((modes & kAdjTime) != 0) {
    if ((modes & ADJ_OFFSET) == 0) return Errno{EINVAL};
  } else {
    const bool bad_tick = request.tick < 9'000 || request.tick > 11'000;
    if ((modes & ADJ_TICK) != 0 && bad_tick) return Errno{EINVAL};
  }
  if ((modes & ADJ_SETOFFSET) != 0) {
    const long limit = (modes & ADJ_NANO) != 0 ? 1'000'000'000 : 1'000'000;
    if (request.time.tv_usec < 0 || request.time.tv_usec >= limit) return Errno{EINVAL};
  }
  constexpr long kLimit = std::numeric_limits<long>::max() / kFrequencyScale;
  const bool overflow = request.freq > kLimit || request.freq < -kLimit;
  if ((modes & ADJ_FREQUENCY) != 0 && overflow) return Errno{EINVAL};
  return {};
}

// process_adjtimex_modes().
void Ntp::change(const timex& request, std::int64_t second) {
  const unsigned modes = request.modes;
  if ((modes & ADJ_STATUS) != 0) change_status(request.status, second);
  if ((modes & ADJ_NANO) != 0) status_ |= STA_NANO;
  if ((modes & ADJ_MICRO) != 0) status_ &= ~STA_NANO;
  if ((modes & ADJ_FREQUENCY) != 0) {
    frequency_ = std::clamp(request.freq * kFrequencyScale, -kFastest, kFastest);
  }
  if ((modes & ADJ_MAXERROR) != 0) max_error_ = bounded(request.maxerror, kMaxError);
  if ((modes & ADJ_ESTERROR) != 0) est_error_ = bounded(request.esterror, kMaxError);
  if ((modes & ADJ_TIMECONST) != 0) change_constant(request.constant);
  if ((modes & ADJ_OFFSET) != 0) change_offset(request.offset, second);
  if ((modes & ADJ_TICK) != 0) tick_ = request.tick;
}

// process_adj_status().
void Ntp::change_status(int wanted, std::int64_t second) {
  if ((status_ & STA_PLL) != 0 && (wanted & STA_PLL) == 0) {
    state_ = TIME_OK;
    status_ = STA_UNSYNC;
    next_leap_ = kNever;
  }
  if ((status_ & STA_PLL) == 0 && (wanted & STA_PLL) != 0) reference_ = second;
  status_ = (status_ & kReadOnlyStatus) | (wanted & ~kReadOnlyStatus);
}

void Ntp::change_constant(long wanted) {
  const long shift = (status_ & STA_NANO) != 0 ? 0 : 4;
  constant_ = bounded(bounded(wanted, kMaxConstant) + shift, kMaxConstant);
}

// ntp_update_offset().
void Ntp::change_offset(std::int64_t offset, std::int64_t second) {
  if ((status_ & STA_PLL) == 0) return;
  if ((status_ & STA_NANO) == 0) {
    offset = std::clamp<std::int64_t>(offset, -1'000'000, 1'000'000) * 1000;
  }
  offset = std::clamp(offset, -kMaxPhase, kMaxPhase);
  const std::int64_t seconds = (status_ & STA_FREQHOLD) != 0 ? 0 : second - reference_;
  reference_ = second;
  const std::int64_t step = frequency_step(offset, seconds);
  frequency_ = std::max(std::min(frequency_ + step, kFastest), -kFastest);
  offset_ = (offset << kScaleShift) / kTicksPerSecond;
}

// By the frequency-locked loop (ntp_update_offset_fll()) over long intervals, and by the phase-locked one.
std::int64_t Ntp::frequency_step(std::int64_t offset, std::int64_t seconds) {
  std::int64_t step = 0;
  const bool by_fll =
      seconds >= kShortestFll && ((status_ & STA_FLL) != 0 || seconds > kLongestPll);
  status_ = by_fll ? status_ | STA_MODE : status_ & ~STA_MODE;
  if (by_fll) step = (offset << (kScaleShift - kFllShift)) / seconds;
  const std::int64_t longest = std::int64_t{1} << (kPllShift + 1 + constant_);
  const std::int64_t counted = std::min(seconds, longest);
  return step +
         (offset * counted) * (std::int64_t{1} << (kScaleShift - 2 * (kPllShift + 2 + constant_)));
}

std::int64_t Ntp::next_chunk() const { return shift_right(offset_, kPllShift + constant_); }

int Ntp::second_over(std::int64_t second) {
  const int leap = pass_leap(second);
  grow(1);
  chunk_ = next_chunk();
  offset_ -= chunk_;
  return leap;
}

void Ntp::grow(std::int64_t seconds) {
  if (seconds > (kMaxError - max_error_) / kErrorGrowth) {
    max_error_ = kMaxError;
    status_ |= STA_UNSYNC;
  } else {
    max_error_ += seconds * kErrorGrowth;
  }
}

// The leap second part of second_overflow().
int Ntp::pass_leap(std::int64_t second) {
  const int wanted = state_ == TIME_INS ? STA_INS : STA_DEL;
  switch (state_) {
    case TIME_OK:
      expect_leap(second);
      return 0;
    case TIME_INS:
    case TIME_DEL:
      if ((status_ & wanted) == 0) {
        state_ = TIME_OK;
        next_leap_ = kNever;
        return 0;
      }
      if (second != next_leap_) return 0;
      state_ = wanted == STA_INS ? TIME_OOP : TIME_WAIT;
      if (wanted == STA_DEL) next_leap_ = kNever;
      return wanted == STA_INS ? -1 : 1;
    case TIME_OOP:
      state_ = TIME_WAIT;
      next_leap_ = kNever;
      return 0;
    default:
      if ((status_ & kLeapFlags) == 0) state_ = TIME_OK;
      return 0;
  }
}

// A deleted second is the last of its day.
void Ntp::expect_leap(std::int64_t second) {
  if ((status_ & STA_INS) != 0) {
    state_ = TIME_INS;
    next_leap_ = second + kDay - second % kDay;
  } else if ((status_ & STA_DEL) != 0) {
    state_ = TIME_DEL;
    next_leap_ = second + kDay - (second + 1) % kDay;
  }
}

// ntp_clear(). The leap state stays, without a date.
void Ntp::clear() {
  status_ |= STA_UNSYNC;
  max_error_ = kMaxError;
  est_error_ = kMaxError;
  offset_ = 0;
  chunk_ = 0;
  next_leap_ = kNever;
}

bool Ntp::leap_at_rest(std::int64_t second) const {
  const int flags = status_ & kLeapFlags;
  switch (state_) {
    case TIME_OK:
      return flags == 0;
    case TIME_INS:
    case TIME_DEL:
      // A machine that slept over the date has missed it.
      return (flags & (state_ == TIME_INS ? STA_INS : STA_DEL)) != 0 &&
             (next_leap_ == kNever || next_leap_ <= second);
    case TIME_OOP:
      return false;
    default:
      return flags != 0;
  }
}

bool Ntp::at_rest(std::int64_t second) const {
  return chunk_ == 0 && next_chunk() == 0 && leap_at_rest(second);
}

std::int64_t Ntp::next_event(std::int64_t second) const {
  const bool expected = state_ == TIME_INS ? (status_ & STA_INS) != 0
                                           : state_ == TIME_DEL && (status_ & STA_DEL) != 0;
  const bool only_leap = chunk_ == 0 && next_chunk() == 0 && expected;
  return only_leap ? std::max(next_leap_, second + 1) : second + 1;
}

// ntp_update_frequency(): a tick more or less of 10,000 is 100 ppm.
std::int64_t Ntp::rate() const {
  const std::int64_t tick =
      (std::int64_t{tick_ - 10'000} * 100'000) * (std::int64_t{1} << kScaleShift);
  return tick + frequency_ + chunk_ * kTicksPerSecond;
}

int Ntp::state() const {
  return (status_ & (STA_UNSYNC | STA_CLOCKERR)) != 0 ? TIME_ERROR : state_;
}

void Ntp::show(timex& answer) const {
  constexpr int kInverseShift = 19;  // PPM_SCALE_INV_SHIFT
  constexpr std::int64_t kInverse =
      (std::int64_t{1} << (kInverseShift + kScaleShift)) / kFrequencyScale + 1;
  if ((answer.modes & kAdjTime) == 0) {
    const std::int64_t left = shift_right(offset_ * kTicksPerSecond, kScaleShift);
    answer.offset = (status_ & STA_NANO) != 0 ? left : left / 1000;
  }
  answer.freq = shift_right((frequency_ >> kInverseShift) * kInverse, kScaleShift);
  answer.maxerror = max_error_;
  answer.esterror = est_error_;
  answer.status = status_;
  answer.constant = constant_;
  answer.precision = 1;
  answer.tolerance = kMaxFrequency;
  answer.tick = tick_;
  answer.ppsfreq = answer.jitter = answer.stabil = 0;
  answer.shift = 0;
  answer.jitcnt = answer.calcnt = answer.errcnt = answer.stbcnt = 0;
}

}  // namespace detent::process

// Ntp: what adjtimex(2) keeps besides the clocks: NTP's parameters, the phase-locked loop that works an
// offset off second by second, the error bounds that grow, and leap seconds. Pure arithmetic on seconds of
// REALTIME; Timekeeping says when one is over, and moves the clocks.
//
//            STA_INS, a second later            the end of the day           a second later
//   TIME_OK ------------------------> TIME_INS ----- clock -1 s ----> TIME_OOP -----------> TIME_WAIT
//      ^    ------------------------> TIME_DEL ----- clock +1 s ---------------------------^    |
//      +------------------------- a second after both flags have gone --------------------------+
//
// Numbers are those of a kernel of 250 ticks a second without PPS support. Source: adjtimex(2),
// kernel/time/ntp.c.
#pragma once

#include <sys/timex.h>

#include <cstdint>

#include "detent/result.h"

namespace detent::process {

class Ntp {
 public:
  static constexpr long kMaxFrequency = 500L << 16;  ///< as timex::freq

  /// A kernel that nobody has told anything yet.
  Ntp() = default;
  /// One that was told what `host` shows. Its pending offset is the host's affair.
  explicit Ntp(const timex& host);

  /// What is wrong with a request, of somebody who may set the time: EINVAL.
  static Result<void> check(const timex& request);
  /// Does what the modes ask, but for ADJ_SETOFFSET, ADJ_TAI and adjtime(3), at `second` of REALTIME.
  void change(const timex& request, std::int64_t second);
  /// REALTIME reaches `second`. Returns by how many seconds it must be put on: -1, 0 or 1.
  int second_over(std::int64_t second);
  /// The same for `seconds` seconds in which nothing but the error bound changes: at_rest().
  void grow(std::int64_t seconds);
  /// The clock was set.
  void clear();

  /// True if from `second` on nothing but the error bound will change.
  [[nodiscard]] bool at_rest(std::int64_t second) const;
  /// When second_over() must be called on time next, if not at rest.
  [[nodiscard]] std::int64_t next_event(std::int64_t second) const;
  /// How much faster than nominal clocks run in this second, in 2^-32 ns a second.
  [[nodiscard]] std::int64_t rate() const;
  /// adjtimex(2)'s value.
  [[nodiscard]] int state() const;
  /// Fills in all but the time, the TAI offset and, for adjtime(3), the offset.
  void show(timex& answer) const;

 private:
  void change_status(int wanted, std::int64_t second);
  void change_constant(long wanted);
  void change_offset(std::int64_t offset, std::int64_t second);
  [[nodiscard]] std::int64_t frequency_step(std::int64_t offset, std::int64_t seconds);
  int pass_leap(std::int64_t second);
  void expect_leap(std::int64_t second);
  [[nodiscard]] bool leap_at_rest(std::int64_t second) const;
  [[nodiscard]] std::int64_t next_chunk() const;

  int status_ = STA_UNSYNC;
  int state_ = TIME_OK;
  long max_error_ = 16'000'000;  // us
  long est_error_ = 16'000'000;
  long constant_ = 2;
  long tick_ = 10'000;          // us
  std::int64_t frequency_ = 0;  // 2^-32 ns a second
  std::int64_t offset_ = 0;     // what is left of it, in 2^-32 ns of a tick
  std::int64_t chunk_ = 0;      // of it, in each tick of this second
  std::int64_t reference_ = 0;  // second of the last ADJ_OFFSET
  std::int64_t next_leap_ = INT64_MAX;
};

}  // namespace detent::process

// TscLine: the straight line that turns a counter reading into nanoseconds, and the rule that bends
// it towards the host's clock. Pure arithmetic; TscClock feeds it.
//
// Rules:
//  - A line holds for `ticks` after its base. A reader that finds the counter outside of that asks
//    for a resync first: so readers of a copied line (the vDSO page) see what now() sees.
//  - A resync starts the new line where the old one got to, at a rate that removes the offset from
//    the host over the next interval (slew). If the host is more than kMaxSlew ahead (nobody has
//    read for a while, host suspended, counter rewritten) the new line starts at the host's time.
//  - It never starts before what a reader may have been shown; a line that is far ahead of the host
//    runs at half speed until the host has caught up.
#pragma once

#include <cstdint>

namespace detent::timebase {

/// The counter and the host's clock, read together.
struct TscSample {
  std::uint64_t tsc;
  std::int64_t ns;
};

class TscLine {
 public:
  static constexpr std::int64_t kResyncInterval = 100'000'000;
  static constexpr std::int64_t kMaxSlew = 1'000'000;

  /// ns = base_ns + ((tsc - base_tsc) * mult >> 32), valid while tsc - base_tsc < ticks.
  struct Parameters {
    std::uint64_t base_tsc = 0;
    std::int64_t base_ns = 0;
    std::uint64_t mult = 0;
    std::uint64_t ticks = 0;
  };

  /// Starts at `second`, with the rate between the two. `second` is later in both readings.
  TscLine(TscSample first, TscSample second);

  [[nodiscard]] const Parameters& parameters() const { return line_; }
  /// True if the line may be read at `tsc`. A counter that is a little behind the base (read on
  /// another core) counts as covered.
  [[nodiscard]] bool covers(std::uint64_t tsc) const;
  /// The line at `tsc`, which it covers; its base for a counter a little before that.
  [[nodiscard]] std::int64_t at(std::uint64_t tsc) const;
  void resync(TscSample sample);

 private:
  [[nodiscard]] std::int64_t reached(std::uint64_t tsc) const;
  void learn_rate(TscSample sample);
  [[nodiscard]] std::uint64_t believable_rate(TscSample sample) const;
  [[nodiscard]] std::uint64_t slewed_rate(std::int64_t offset) const;

  Parameters line_;
  TscSample first_;            // the rate is measured from here: the longer the run, the better
  std::uint64_t rate_;         // as Parameters::mult, without slew
  bool rate_is_rough_ = true;  // measured over less than an interval, or the host's time was cut
};

}  // namespace detent::timebase

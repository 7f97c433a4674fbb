// ClockSet: the guest's clocks. Each base is MONOTONIC plus an offset; only the guest's world moves
// when a clock is stepped or the machine is "suspended".
//
// Who calls: time adapters (read, set), the scheduler (through TimerQueue), scenario events.
// Source: clock_gettime(2), kernel/time/timekeeping.c (offs_real, offs_boot, offs_tai).
#pragma once

#include <array>
#include <boost/intrusive/list.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "detent/timer.h"
#include "timebase/clock.h"
#include "timebase/scaled_clock.h"

namespace detent::timebase {

/// Told of every discontinuous change of CLOCK_REALTIME (settime, step, suspend), which is what
/// TFD_TIMER_CANCEL_ON_SET waits for, and when MONOTONIC is put before its source (bent()). Linked
/// while alive; unlinks itself. on_jump() may unlink its
/// own listener and no other.
class JumpListener : public boost::intrusive::list_base_hook<
                         boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 public:
  virtual void on_jump() = 0;

 protected:
  ~JumpListener() = default;
};

class ClockSet {
 public:
  /// `source` gives MONOTONIC and outlives the set. The other clocks start at the given instants.
  ClockSet(ClockSource& source, Instant<Realtime> realtime, Instant<Boottime> boottime);

  /// The source in use. A frequency other than the nominal one may put another before it.
  [[nodiscard]] ClockSource& source() { return *source_; }
  [[nodiscard]] Instant<Monotonic> monotonic() { return source_->now(); }
  /// MONOTONIC_RAW, ns.
  [[nodiscard]] std::int64_t raw() { return saturating_add(source_->raw(), raw_offset_); }
  /// The present time of `base`, ns since its zero.
  [[nodiscard]] std::int64_t now(Base base);
  /// What `base` shows minus MONOTONIC, in ns.
  [[nodiscard]] std::int64_t offset(Base base) const {
    return offsets_[static_cast<std::size_t>(base)];
  }
  /// The MONOTONIC instant at which `base` shows `when` ns, by the present offsets. INT64_MAX is
  /// "for ever" on every base and stays so.
  [[nodiscard]] Instant<Monotonic> to_monotonic(Base base, std::int64_t when) const;

  /// Moves REALTIME and TAI by `by` and tells the listeners. A step of 0 is no change (as in
  /// timerfd_clock_was_set, fs/timerfd.c).
  void step_realtime(Duration by);
  /// How often REALTIME was set: what tells a clock that was set from one that slept.
  [[nodiscard]] std::uint64_t settings() const { return settings_; }
  /// Moves REALTIME, and not TAI, by `seconds` (1 or -1), and tells the listeners: a leap second.
  void leap(std::int32_t seconds);
  /// Sets the TAI - REALTIME offset (adjtimex ADJ_TAI). Whole seconds. REALTIME does not move, so
  /// no listener is told.
  void set_tai_offset(std::int32_t seconds);
  [[nodiscard]] std::int32_t tai_offset() const { return tai_seconds_; }
  /// Moves BOOTTIME, REALTIME and TAI past MONOTONIC, as a suspend of that length (>= 0) does, and
  /// tells the listeners.
  void suspend(Duration length);

  /// From now on MONOTONIC, and with it every clock but MONOTONIC_RAW, runs faster by the sum of the two:
  /// what the guest asked for with adjtimex(2), and what its user did (a scenario's slew).
  void set_frequency(Frequency by_guest);
  void set_slew(Frequency from_outside);
  [[nodiscard]] Frequency frequency() const { return by_guest_; }
  [[nodiscard]] Frequency slew() const { return from_outside_; }
  /// True once MONOTONIC has been put before its source, which shows another time since.
  [[nodiscard]] bool bent() const { return slewed_.has_value(); }
  /// Moves MONOTONIC_RAW alone, to `ns` before or after MONOTONIC: after execve.
  void set_raw_offset(std::int64_t ns);

  /// `listener` is in no set. Listeners are told in the order in which they were added.
  void add_listener(JumpListener& listener);

 private:
  void apply_frequency(Frequency total);
  void move_realtime(Duration by);
  void notify();

  ClockSource* source_;
  std::optional<ScaledClock> slewed_;  // before a source that cannot change its frequency
  Frequency by_guest_;
  Frequency from_outside_;
  std::int64_t raw_offset_ = 0;
  std::uint64_t settings_ = 0;
  std::array<std::int64_t, kBaseCount> offsets_{};
  std::int32_t tai_seconds_ = 0;
  boost::intrusive::list<JumpListener, boost::intrusive::constant_time_size<false>> listeners_;
};

}  // namespace detent::timebase

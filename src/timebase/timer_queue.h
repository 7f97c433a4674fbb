// TimerQueue: "what fires next?" One heap per clock base; a step of REALTIME changes an offset and
// nothing is re-sorted, as in Linux (kernel/time/hrtimer.c, hrtimer_clock_base).
//
// Rules for timers:
//  - A Timer (detent/timer.h) is a member of its owner, who cancels it before it dies.
//  - on_expire() runs in the scheduler's context, never inside a guest's call. The timer is already
//    disarmed then, so it may arm itself or any other timer, or cancel any other.
//  - Timers fire in the order of (MONOTONIC deadline, arming order). Addresses never decide.
//  - An expire() call fires the timers that were armed and due when it began, unless an earlier
//    on_expire() cancels or re-arms them. What on_expire() arms waits for the next call, even if
//    its instant is past: so no call goes on for ever. Periodic objects re-arm lazily (see
//    fd/timerfd.h). A timer whose clock an earlier on_expire() set back waits for its instant again.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "detent/timer.h"
#include "timebase/clock_set.h"

namespace detent::timebase {

class TimerQueue {
 public:
  /// `clocks` outlives the queue.
  explicit TimerQueue(ClockSet& clocks) : clocks_(clocks) {}

  /// Arms `timer` for `expires` ns on `base`; an armed timer is moved. O(log n), no allocation
  /// beyond the heap's own growth.
  void arm(Timer& timer, Base base, std::int64_t expires);
  /// The same for the one timer that fires before all others of its instant: it moves the clocks.
  void arm_first(Timer& timer, Base base, std::int64_t expires);
  /// Disarms; nothing happens if it is not armed. O(log n).
  void cancel(Timer& timer);
  /// Disarms every timer: a forked child inherits none.
  void clear();

  /// The earliest deadline; nothing if no timer is armed, Instant::max() if all are for ever.
  [[nodiscard]] std::optional<Instant<Monotonic>> next_deadline() const;
  /// The earliest deadline of an ALARM timer, if there is one. O(n): for suspends only.
  [[nodiscard]] std::optional<Instant<Monotonic>> next_alarm() const;
  /// Fires every timer due at `now` in (deadline, arming order) order; see the rules above. Returns
  /// how many fired. Not to be called from on_expire().
  std::size_t expire(Instant<Monotonic> now);
  /// The instant that the timer being fired was armed for; nothing outside expire().
  [[nodiscard]] std::optional<Instant<Monotonic>> expiring() const { return expiring_; }
  /// Number of armed timers.
  [[nodiscard]] std::size_t size() const;

 private:
  struct Slot {
    std::int64_t expires;
    std::uint64_t sequence;
    Timer* timer;
    [[nodiscard]] bool before(const Slot& other) const {
      return expires != other.expires ? expires < other.expires : sequence < other.sequence;
    }
  };
  using Heap = std::vector<Slot>;

  [[nodiscard]] Instant<Monotonic> deadline_of(const Timer& timer) const {
    return clocks_.to_monotonic(timer.base_, timer.expires_);
  }
  [[nodiscard]] Heap& heap_of(const Timer& timer) {
    return heaps_[static_cast<std::size_t>(timer.base_)];
  }
  [[nodiscard]] bool fires_before(const Timer& a, const Timer& b) const;
  [[nodiscard]] Timer* earliest_in_heaps() const;
  void push(Timer& timer);
  void collect_due(Instant<Monotonic> now);
  void remove_from_heap(Timer& timer);

  static void place(Heap& heap, std::size_t index, Slot slot);
  static void sift_up(Heap& heap, std::size_t index);
  static void sift_down(Heap& heap, std::size_t index);

  ClockSet& clocks_;
  std::array<Heap, kBaseCount> heaps_;
  // The timers that the running expire() has still to fire, in order; null where one was fired or
  // cancelled. Empty outside expire().
  std::vector<Timer*> due_;
  std::optional<Instant<Monotonic>> expiring_;
  std::uint64_t next_sequence_ = 1;  // 0: arm_first()
};

}  // namespace detent::timebase

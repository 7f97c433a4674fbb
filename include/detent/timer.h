// Timer: the intrusive node of timebase::TimerQueue, and the clocks that timers run on. The kernel's
// objects derive from it; programs use HrTimer (hrtimer.h), which does.
#pragma once

#include <cstddef>
#include <cstdint>

#include "detent/units.h"

namespace detent::timebase {

/// The clocks that timers can be armed on.
enum class Base : std::uint8_t { kMonotonic, kRealtime, kBoottime, kTai };
inline constexpr std::size_t kBaseCount = 4;

template <class Clock>
inline constexpr Base kBaseOf = Base::kMonotonic;
template <>
inline constexpr Base kBaseOf<Realtime> = Base::kRealtime;
template <>
inline constexpr Base kBaseOf<Boottime> = Base::kBoottime;
template <>
inline constexpr Base kBaseOf<Tai> = Base::kTai;

class TimerQueue;

/// Not armed at birth. Neither copied nor moved: the queue holds its address. Its owner cancels it
/// before it dies (the destructor asserts it).
class Timer {
 public:
  Timer() = default;
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  [[nodiscard]] bool armed() const { return index_ != kNotArmed; }
  /// The instant it was last armed for, ns on base().
  [[nodiscard]] std::int64_t expires() const { return expires_; }
  [[nodiscard]] Base base() const { return base_; }
  /// An ALARM timer: it ends a suspend when it is due (kernel/time/alarmtimer.c).
  [[nodiscard]] bool wakes_machine() const { return wakes_machine_; }
  void set_wakes_machine(bool wakes) { wakes_machine_ = wakes; }

 protected:
  virtual ~Timer();
  /// Called once per arming, by TimerQueue::expire, after the timer has left the queue.
  virtual void on_expire() = 0;

 private:
  friend class TimerQueue;
  static constexpr std::uint32_t kNotArmed = ~0U;

  std::int64_t expires_ = 0;
  std::uint64_t sequence_ = 0;
  std::uint32_t index_ = kNotArmed;  // in the heap of base_, or in TimerQueue::due_ if due_
  Base base_ = Base::kMonotonic;
  bool due_ = false;
  bool wakes_machine_ = false;
};

}  // namespace detent::timebase

// Duration and Instant<Clock>: time with its unit and its clock in the type.
//
// Both count nanoseconds in 64 bits. Sums saturate at the ends of the range, as Linux's
// ktime_add_safe does, so that "for ever" plus anything stays "for ever". Instants of different
// clocks do not mix. Source: include/linux/ktime.h (KTIME_MAX).
#pragma once

#include <compare>
#include <cstdint>
#include <limits>

namespace detent {

inline constexpr std::int64_t kNanosPerSecond = 1'000'000'000;

/// a + b in nanoseconds, saturating.
constexpr std::int64_t saturating_add(std::int64_t a, std::int64_t b) {
  std::int64_t sum = 0;
  if (!__builtin_add_overflow(a, b, &sum)) return sum;
  return b > 0 ? std::numeric_limits<std::int64_t>::max()
               : std::numeric_limits<std::int64_t>::min();
}

/// a - b in nanoseconds, saturating.
constexpr std::int64_t saturating_sub(std::int64_t a, std::int64_t b) {
  std::int64_t difference = 0;
  if (!__builtin_sub_overflow(a, b, &difference)) return difference;
  return b < 0 ? std::numeric_limits<std::int64_t>::max()
               : std::numeric_limits<std::int64_t>::min();
}

/// A span of time. Range: about -292 to +292 years.
class Duration {
 public:
  constexpr Duration() = default;
  static constexpr Duration nanoseconds(std::int64_t n) { return Duration(n); }
  static constexpr Duration microseconds(std::int64_t n) { return Duration(n * 1000); }
  static constexpr Duration milliseconds(std::int64_t n) { return Duration(n * 1'000'000); }
  static constexpr Duration seconds(std::int64_t n) { return Duration(n * kNanosPerSecond); }
  static constexpr Duration max() { return Duration(std::numeric_limits<std::int64_t>::max()); }

  [[nodiscard]] constexpr std::int64_t ns() const { return ns_; }

  friend constexpr auto operator<=>(Duration, Duration) = default;
  friend constexpr Duration operator+(Duration a, Duration b) {
    return Duration(saturating_add(a.ns_, b.ns_));
  }
  friend constexpr Duration operator-(Duration a, Duration b) {
    return Duration(saturating_sub(a.ns_, b.ns_));
  }
  constexpr Duration operator-() const { return Duration() - *this; }

 private:
  constexpr explicit Duration(std::int64_t n) : ns_(n) {}
  std::int64_t ns_ = 0;
};

/// Tags that name the clock an Instant belongs to.
struct Monotonic {};
struct Realtime {};
struct Boottime {};
struct Tai {};

/// A point in time on one clock, in nanoseconds since that clock's zero.
template <class Clock>
class Instant {
 public:
  constexpr Instant() = default;
  static constexpr Instant from_ns(std::int64_t ns) { return Instant(ns); }
  static constexpr Instant max() { return Instant(std::numeric_limits<std::int64_t>::max()); }

  [[nodiscard]] constexpr std::int64_t ns() const { return ns_; }

  friend constexpr auto operator<=>(Instant, Instant) = default;
  friend constexpr Instant operator+(Instant t, Duration d) {
    return Instant(saturating_add(t.ns_, d.ns()));
  }
  friend constexpr Instant operator-(Instant t, Duration d) {
    return Instant(saturating_sub(t.ns_, d.ns()));
  }
  friend constexpr Duration operator-(Instant a, Instant b) {
    return Duration::nanoseconds(saturating_sub(a.ns_, b.ns_));
  }

 private:
  constexpr explicit Instant(std::int64_t ns) : ns_(ns) {}
  std::int64_t ns_ = 0;
};

}  // namespace detent

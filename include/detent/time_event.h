// TimeEvent: something that happens to the guest's clocks from outside at a given time. Plain data: events
// travel through execve in the boot record.
#pragma once

#include <array>
#include <cstdint>

namespace detent {

struct TimeEvent {
  enum class Kind : std::uint8_t {
    kStep,     ///< REALTIME is set; `amount`: by how many ns
    kSlew,     ///< clocks run faster; `amount`: by how many parts per billion, from now on
    kSuspend,  ///< the machine sleeps; `amount`: for how many ns
  };
  enum class When : std::uint8_t {
    kSinceStart,  ///< ns of MONOTONIC since the first program of the session started
    kMonotonic,   ///< when MONOTONIC shows this many ns
    kRealtime,    ///< when REALTIME shows this many ns
  };
  Kind kind = Kind::kStep;
  When when = When::kSinceStart;
  std::int64_t at = 0;
  std::int64_t amount = 0;
};

/// Events that are still to come, in the order in which they were given.
struct TimeEvents {
  static constexpr std::uint32_t kCapacity = 256;
  std::uint32_t count = 0;
  std::array<TimeEvent, kCapacity> list{};
};

}  // namespace detent

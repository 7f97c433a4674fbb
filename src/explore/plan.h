// Plan: one schedule to run, as a value. A run is a function of (program, inputs, plan).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace detent::explore {

/// One answer that is not Linux's usual one: choice `index`, numbered from 0 in the order asked, was
/// answered with `option`, modulo the number of options there.
struct Deviation {
  std::uint32_t index = 0;
  std::uint32_t option = 0;
  friend constexpr auto operator<=>(const Deviation&, const Deviation&) = default;
};
using Deviations = std::vector<Deviation>;  ///< ascending by index

/// Answers choices from a list of deviations, and those that are not in it with option 0.
inline constexpr const char* kReplay = "replay";
/// The same where tasks may be preempted at atomic instructions, too.
inline constexpr const char* kReplayAtomics = "replay+atomics";

/// `seed` feeds the strategy and the guest's random bytes. Deviations are for kReplay and kReplayAtomics
/// only.
struct Plan {
  std::string strategy = "fifo";
  std::uint64_t seed = 0;
  Deviations deviations;
  /// As the user gave it, if so: the kernel then checks that each choice is of the kind that it was.
  std::string text{};
};

}  // namespace detent::explore

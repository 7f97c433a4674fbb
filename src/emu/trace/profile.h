// Profile: counts of a run without preemption, for strategies that want to know what is ahead of them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace detent::trace {

struct Profile {
  struct Count {
    std::uint32_t task = 0;    ///< its number
    std::uint64_t object = 0;  ///< key_of()
    std::uint64_t events = 0;
  };
  std::vector<Count> counts;
  std::uint64_t turns = 0;  ///< choices among tasks of the whole run; 0: there is no profile
};

/// For a file between two images of one build.
std::vector<std::uint8_t> to_bytes(const Profile& profile);
Profile profile_from_bytes(std::span<const std::uint8_t> bytes);

}  // namespace detent::trace

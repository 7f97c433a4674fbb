// Chooser: the one door for nondeterminism. Every decision that Linux leaves open is asked here; what
// follows from the answers (heap order, wake order, tick counts) is derived and never recorded.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "detent/result.h"

namespace detent::trace {

enum class Choice : std::uint8_t {
  kReadyTask,    ///< which ready task runs next; option 0 is the oldest
  kSwitchEntry,  ///< switch to another task before a system call? option 0: no
  kSwitchExit,   ///< switch to another task after a system call? option 0: no
};

class Chooser {
 public:
  virtual ~Chooser() = default;
  /// An option in [0, options), options >= 1. Without a strategy the answer is 0, Linux's usual one.
  virtual std::uint32_t choose(Choice kind, std::uint32_t options) = 0;
  /// The next 64 pseudo-random bits of the run's seed: getrandom, AT_RANDOM.
  virtual std::uint64_t random_bits() = 0;
};

/// "fifo" or "random". EINVAL for another name. Both are pure functions of (seed, number of questions
/// asked before).
Result<std::unique_ptr<Chooser>> make_chooser(std::string_view strategy, std::uint64_t seed);

}  // namespace detent::trace

// Strategy: answers choices. A pure function of (seed, what it was asked and told before): no clock, no
// address, no host.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "emu/trace/choice.h"
#include "emu/trace/event.h"
#include "emu/trace/profile.h"
#include "emu/trace/schedule.h"

namespace detent::trace {

/// A task that may run next, and what it is about to do.
struct Candidate {
  const TaskTrace* task = nullptr;
};

class Strategy {
 public:
  virtual ~Strategy() = default;
  /// An index into `candidates` (at least two). The first is Linux's usual choice.
  virtual std::uint32_t pick_task(Choice kind, std::span<const Candidate> candidates) = 0;
  /// An option in [0, options), options >= 2, of a choice that is not among tasks.
  virtual std::uint32_t pick(Choice kind, std::uint32_t options) = 0;
  /// `task` now does what it had published.
  virtual void on_event(const TaskTrace& task) { static_cast<void>(task); }
};

/// Any strategy but replay, which Chooser does itself. `profile` may be empty.
std::unique_ptr<Strategy> make_strategy(StrategyName name, std::uint64_t seed,
                                        const Profile& profile);

}  // namespace detent::trace

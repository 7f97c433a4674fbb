// The portfolio `auto`: no strategy finds all bugs, so the seeds are dealt out among them.
// Shares follow ../shared/CCT.md section 8: of 16 seeds 6 surw, 4 pos, 2 pct, 2 period, 1 starve, 1 random.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace detent::explore {

/// Whether the kernel knows a strategy, "pct:3" say.
using KnowsStrategy = std::function<bool(const std::string&)>;

/// The strategy of schedule `index` with `seed`, where the user asked for `wanted`. The first schedule of
/// a campaign is "fifo": nobody is preempted, and it is the profile. "auto" gives what the seed draws; a
/// strategy that the kernel does not know is replaced by the next of its kind, in the end by "random".
/// Half of the seeds of "auto" preempt at atomic instructions, too: some bugs need that, and those that do
/// not are found sooner without. "auto+calls" and "auto+atomics" take one of the two for all.
std::string strategy_for(const std::string& wanted, std::uint64_t index, std::uint64_t seed,
                         const KnowsStrategy& knows);

}  // namespace detent::explore

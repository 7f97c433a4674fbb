// The strategies, one file each (strategy_*.cc); called by make_strategy() only. What they share: choices
// that are not among tasks go to Outcomes, and a task that only looks again and again (TaskTrace::spinning)
// comes behind all others, so that every run goes on.
#pragma once

#include "emu/trace/strategy.h"

namespace detent::trace {

/// Linux's usual order.
std::unique_ptr<Strategy> make_fifo();
/// A random walk: at each system call another task may go on.
std::unique_ptr<Strategy> make_random(std::uint64_t seed);
/// Probabilistic concurrency testing (Burckhardt et al., ASPLOS 2010): random priorities, `depth` - 1
/// changes of the running task's to the lowest.
std::unique_ptr<Strategy> make_pct(std::uint64_t seed, unsigned depth, const Profile& profile);
/// Partial order sampling (Yuan et al., CAV 2018): a random priority per event, drawn again for events
/// that race with the one that just ran.
std::unique_ptr<Strategy> make_pos(std::uint64_t seed);
/// Selectively uniform random walk (SURW, ASPLOS 2025): one object is selected by the seed; whose turn it
/// is at that object is drawn in proportion to the events that each task has left there.
std::unique_ptr<Strategy> make_surw(std::uint64_t seed, const Profile& profile);
/// After PERIOD (ICSE 2022): the run is cut into `periods` + 1 stretches, each with its own order of tasks.
std::unique_ptr<Strategy> make_period(std::uint64_t seed, unsigned periods, const Profile& profile);
/// rr's chaos mode: now and then some tasks are starved for a while.
std::unique_ptr<Strategy> make_starve(std::uint64_t seed);

/// Number of choices among tasks that a run is expected to have: from the profile, else drawn from the
/// seed over several powers of two.
std::uint64_t expected_turns(std::uint64_t seed, const Profile& profile);

/// The candidate of the highest priority; spinning tasks come last, and among them those that have spun
/// longest: two that yield to each other may both have work to do. The first of equals.
template <class Priority>
std::uint32_t highest(std::span<const Candidate> tasks, Priority priority_of) {
  std::uint32_t best = 0;
  for (std::uint32_t i = 1; i < tasks.size(); ++i) {
    const TaskTrace& a = *tasks[i].task;
    const TaskTrace& b = *tasks[best].task;
    bool better = priority_of(a) > priority_of(b);
    if (a.spinning != b.spinning) {
      better = b.spinning;
    } else if (a.spinning && a.repeats != b.repeats) {
      better = a.repeats < b.repeats;
    }
    if (better) best = i;
  }
  return best;
}

}  // namespace detent::trace

// The program that a campaign runs, and how.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "explore/runner.h"

namespace detent::explore {

struct Program {
  std::vector<std::string> command;
  std::vector<std::string> run_options;  ///< further options of `detent run`
  /// Of the guest's random bytes, in all runs: a fork server has drawn some before it knows the schedule.
  std::uint64_t random_seed = 0;
  bool points =
      false;     ///< schedules may preempt at atomic instructions: a fork server prepares for it
  int jobs = 1;  ///< runs at a time
  std::int64_t host_timeout_ns = 10'000'000'000;  ///< of one run; then it is killed
  std::int64_t virtual_budget_ns = 0;             ///< of one run; 0: none
  std::uint64_t max_steps = 0;                    ///< system calls of one run; 0: without limit
};

/// The bounds of a run as options of `detent run`, those that the user gives left out.
std::vector<std::string> limits_of(const Program& program);

/// Each run is a process of its own, `detent run --report`.
std::unique_ptr<Runner> make_exec_runner(const Program& program);
/// Runs are forked from servers that have loaded the program already, one a job. Falls back to the above
/// where that does not work.
std::unique_ptr<Runner> make_server_runner(const Program& program);

/// From now on SIGINT, SIGTERM and SIGHUP stop what is under way instead of ending the process: runners
/// answer stopping() with true and kill their guests.
void catch_stop_signals();
/// The signal that asked to stop; 0: none did.
int stop_signal();

}  // namespace detent::explore

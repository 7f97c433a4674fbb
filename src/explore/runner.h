// Runner: whatever can run plans. Campaigns, shrinking and the rest are written against it, so that their
// logic is tested without a process.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "explore/outcome.h"
#include "explore/plan.h"

namespace detent::explore {

struct RunProfile;

struct Request {
  Plan plan;
  bool keep_output = false;  ///< stdout and stderr are wanted whatever the outcome is
  bool keep_stacks = false;  ///< the report should show the stack of every deviation
  /// Of a run that ends well, too, the report should tell all, and not only its trace.
  bool full_report = false;
  std::shared_ptr<const RunProfile> profile{};  ///< for the strategy; may be null
};

struct Finished {
  std::uint64_t ticket = 0;
  Outcome outcome;
  bool interrupted = false;  ///< no outcome: the user wants to stop
};

class Runner {
 public:
  virtual ~Runner() = default;
  /// How many runs may be under way at once, >= 1.
  [[nodiscard]] virtual int capacity() const = 0;
  /// Starts a run. At most capacity() may be under way.
  virtual void start(std::uint64_t ticket, const Request& request) = 0;
  /// Waits until a run is finished, in any order. At least one is under way.
  virtual Finished wait() = 0;
  /// True once the user wants to stop (SIGINT). Runs under way are finished or given up soon.
  [[nodiscard]] virtual bool stopping() const { return false; }
};

/// Runs `requests` side by side; the outcomes are in their order. Nothing else may be under way. After an
/// interrupt the missing outcomes are kBroken.
std::vector<Outcome> run_all(Runner& runner, const std::vector<Request>& requests);
Outcome run_one(Runner& runner, const Request& request);

}  // namespace detent::explore

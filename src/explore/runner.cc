#include "explore/runner.h"

#include <algorithm>
#include <utility>

namespace detent::explore {

std::vector<Outcome> run_all(Runner& runner, const std::vector<Request>& requests) {
  std::vector<Outcome> outcomes(requests.size());
  std::size_t started = 0;
  std::size_t finished = 0;
  while (finished < requests.size()) {
    const auto under_way = static_cast<int>(started - finished);
    if (started < requests.size() && under_way < runner.capacity() && !runner.stopping()) {
      runner.start(started, requests[started]);
      ++started;
      continue;
    }
    if (under_way == 0) break;
    Finished done = runner.wait();
    if (done.interrupted) done.outcome.complaint = "interrupted";
    outcomes[done.ticket] = std::move(done.outcome);
    ++finished;
  }
  for (std::size_t i = started; i < outcomes.size(); ++i) outcomes[i].complaint = "interrupted";
  return outcomes;
}

Outcome run_one(Runner& runner, const Request& request) {
  return std::move(run_all(runner, {request}).front());
}

}  // namespace detent::explore

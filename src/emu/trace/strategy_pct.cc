#include <algorithm>
#include <unordered_map>
#include <vector>

#include "emu/trace/outcomes.h"
#include "emu/trace/strategies.h"

namespace detent::trace {
namespace {

constexpr std::uint64_t kPriority = 0x706374;
constexpr std::uint64_t kChange = 0x706375;
constexpr std::int64_t kHigh = std::int64_t{1} << 40;  // above all lowered priorities

class Pct final : public Strategy {
 public:
  Pct(std::uint64_t seed, unsigned depth, const Profile& profile) : seed_(seed), outcomes_(seed) {
    const std::uint64_t length = expected_turns(seed, profile);
    for (unsigned i = 1; i < depth; ++i) changes_.push_back(draw(seed, kChange, i) % length);
    std::ranges::sort(changes_);
  }

  std::uint32_t pick_task(Choice kind, std::span<const Candidate> tasks) override {
    const std::uint64_t step = steps_++;
    while (next_change_ < changes_.size() && changes_[next_change_] <= step) {
      ++next_change_;
      if (kind != Choice::kReadyTask) lower(*tasks[0].task);
    }
    // Lowered for good: a task that waits by looking would else keep all below it from running.
    for (const Candidate& candidate : tasks) {
      if (candidate.task->spinning) lower(*candidate.task);
    }
    return highest(tasks, [this](const TaskTrace& task) { return priority(task); });
  }
  std::uint32_t pick(Choice kind, std::uint32_t options) override {
    return outcomes_.pick(kind, options);
  }

 private:
  std::int64_t priority(const TaskTrace& task) {
    const auto [found, added] = priorities_.try_emplace(task.number, 0);
    if (added) {
      found->second = kHigh + static_cast<std::int64_t>(draw(seed_, kPriority, task.number) >> 24);
    }
    return found->second;
  }
  void lower(const TaskTrace& task) { priorities_[task.number] = --lowest_; }

  std::uint64_t seed_;
  std::vector<std::uint64_t> changes_;  // steps at which the running task is lowered
  std::size_t next_change_ = 0;
  std::uint64_t steps_ = 0;
  std::int64_t lowest_ = 0;
  std::unordered_map<std::uint32_t, std::int64_t> priorities_;
  Outcomes outcomes_;
};

}  // namespace

std::unique_ptr<Strategy> make_pct(std::uint64_t seed, unsigned depth, const Profile& profile) {
  return std::make_unique<Pct>(seed, depth, profile);
}

}  // namespace detent::trace

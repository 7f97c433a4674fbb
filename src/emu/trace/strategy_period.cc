#include <algorithm>
#include <vector>

#include "emu/trace/outcomes.h"
#include "emu/trace/strategies.h"

namespace detent::trace {
namespace {

constexpr std::uint64_t kBoundary = 0x706572;
constexpr std::uint64_t kOrder = 0x706573;

class Period final : public Strategy {
 public:
  Period(std::uint64_t seed, unsigned periods, const Profile& profile)
      : seed_(seed), outcomes_(seed) {
    const std::uint64_t length = expected_turns(seed, profile);
    for (unsigned i = 0; i < periods; ++i) ends_.push_back(draw(seed, kBoundary, i) % length);
    std::ranges::sort(ends_);
  }

  std::uint32_t pick_task(Choice, std::span<const Candidate> tasks) override {
    const std::uint64_t step = steps_++;
    while (period_ < ends_.size() && ends_[period_] <= step) ++period_;
    return highest(tasks, [this](const TaskTrace& task) {
      return draw(seed_, kOrder + period_, task.number);
    });
  }
  std::uint32_t pick(Choice kind, std::uint32_t options) override {
    return outcomes_.pick(kind, options);
  }

 private:
  std::uint64_t seed_;
  std::vector<std::uint64_t> ends_;  // steps at which a period ends
  std::size_t period_ = 0;
  std::uint64_t steps_ = 0;
  Outcomes outcomes_;
};

}  // namespace

std::unique_ptr<Strategy> make_period(std::uint64_t seed, unsigned periods,
                                      const Profile& profile) {
  return std::make_unique<Period>(seed, periods, profile);
}

}  // namespace detent::trace

#include <array>

#include "emu/trace/outcomes.h"
#include "emu/trace/strategies.h"

namespace detent::trace {
namespace {

// A switch at every call would never let a task get far, and one bug needs many switches where another
// needs two at the right places: how often is drawn from the seed, once a schedule.
constexpr std::array<std::uint64_t, 4> kPeriods = {2, 4, 8, 24};
// Points come by the dozen between two calls.
constexpr std::array<std::uint64_t, 4> kPointPeriods = {2, 8, 32, 128};

class Random final : public Strategy {
 public:
  explicit Random(std::uint64_t seed)
      : seed_(seed),
        period_(kPeriods[draw(seed, 2, 0) % kPeriods.size()]),
        point_period_(kPointPeriods[draw(seed, 2, 1) % kPointPeriods.size()]),
        outcomes_(seed) {}

  std::uint32_t pick_task(Choice kind, std::span<const Candidate> tasks) override {
    const std::uint64_t bits = draw(seed_, 3, asked_++);
    const bool preempts = kind != Choice::kReadyTask;
    const std::uint64_t period = kind == Choice::kSwitchPoint ? point_period_ : period_;
    if (preempts && bits % period != 0) return 0;
    const std::uint64_t first = preempts ? 1 : 0;
    return static_cast<std::uint32_t>(first + (bits >> 32) % (tasks.size() - first));
  }
  std::uint32_t pick(Choice kind, std::uint32_t options) override {
    return outcomes_.pick(kind, options);
  }

 private:
  std::uint64_t seed_;
  std::uint64_t period_;
  std::uint64_t point_period_;
  std::uint64_t asked_ = 0;
  Outcomes outcomes_;
};

}  // namespace

std::unique_ptr<Strategy> make_random(std::uint64_t seed) { return std::make_unique<Random>(seed); }

}  // namespace detent::trace

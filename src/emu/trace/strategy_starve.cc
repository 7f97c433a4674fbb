#include "emu/trace/outcomes.h"
#include "emu/trace/strategies.h"

namespace detent::trace {
namespace {

constexpr std::uint64_t kWindow = 0x737476;
constexpr std::uint64_t kStarved = 0x737477;
constexpr std::uint64_t kWalk = 0x737478;
// The figures of rr's chaos mode: a starving time is one of twelve powers of two, a fifth of the run at most;
// a task starves with probability 0.1, the first one with 0.3. Steps take the place of time.
constexpr unsigned kPowers = 12;
constexpr std::uint64_t kNormalShare = 4;

class Starve final : public Strategy {
 public:
  explicit Starve(std::uint64_t seed) : seed_(seed), outcomes_(seed) { open_window(); }

  std::uint32_t pick_task(Choice kind, std::span<const Candidate> tasks) override {
    if (++steps_ >= end_) open_window();
    if (steps_ < hungry_) {
      return highest(tasks, [this](const TaskTrace& task) { return is_starved(task) ? 0 : 1; });
    }
    const std::uint64_t bits = draw(seed_, kWalk, steps_);
    if (kind != Choice::kReadyTask && bits % 16 != 0) return 0;
    return static_cast<std::uint32_t>((bits >> 8) % tasks.size());
  }
  std::uint32_t pick(Choice kind, std::uint32_t options) override {
    return outcomes_.pick(kind, options);
  }

 private:
  // A hungry stretch, then four times as much for all.
  void open_window() {
    ++window_;
    const std::uint64_t length = std::uint64_t{1} << (draw(seed_, kWindow, window_) % kPowers);
    hungry_ = steps_ + length;
    end_ = hungry_ + kNormalShare * length;
  }
  [[nodiscard]] bool is_starved(const TaskTrace& task) const {
    const std::uint64_t percent = task.number == 1 ? 30 : 10;
    return draw(seed_, kStarved + window_, task.number) % 100 < percent;
  }

  std::uint64_t seed_;
  std::uint64_t window_ = 0;
  std::uint64_t steps_ = 0;
  std::uint64_t hungry_ = 0;
  std::uint64_t end_ = 0;
  Outcomes outcomes_;
};

}  // namespace

std::unique_ptr<Strategy> make_starve(std::uint64_t seed) { return std::make_unique<Starve>(seed); }

}  // namespace detent::trace

#include <unordered_map>
#include <vector>

#include "emu/trace/outcomes.h"
#include "emu/trace/strategies.h"

namespace detent::trace {
namespace {

constexpr std::uint64_t kPriority = 0x706f73;
// Events between two picks are those of one task that nobody else was ready beside: few matter.
constexpr std::size_t kMaxRecent = 16;

class Pos final : public Strategy {
 public:
  explicit Pos(std::uint64_t seed) : seed_(seed), outcomes_(seed) {}

  std::uint32_t pick_task(Choice, std::span<const Candidate> tasks) override {
    for (const Candidate& candidate : tasks) update(*candidate.task);
    recent_.clear();
    return highest(tasks, [this](const TaskTrace& task) { return states_[task.number].priority; });
  }
  std::uint32_t pick(Choice kind, std::uint32_t options) override {
    return outcomes_.pick(kind, options);
  }
  void on_event(const TaskTrace& task) override {
    if (recent_.size() < kMaxRecent) recent_.push_back({task.number, task.next});
  }

 private:
  struct State {
    std::uint64_t priority = 0;
    std::uint64_t events = 0;  // of the task, when the priority was drawn
    std::int32_t call = 0;
  };
  struct Recent {
    std::uint32_t task;
    Event event;
  };

  void update(const TaskTrace& task) {
    const auto [found, added] = states_.try_emplace(task.number);
    State& state = found->second;
    bool redraw = added || state.events != task.events || state.call != task.next.call;
    for (const Recent& past : recent_) {
      redraw = redraw || (past.task != task.number && conflicts(past.event, task.next));
    }
    if (redraw) state = {draw(seed_, kPriority, draws_++), task.events, task.next.call};
  }

  std::uint64_t seed_;
  std::uint64_t draws_ = 0;
  std::vector<Recent> recent_;
  std::unordered_map<std::uint32_t, State> states_;
  Outcomes outcomes_;
};

}  // namespace

std::unique_ptr<Strategy> make_pos(std::uint64_t seed) { return std::make_unique<Pos>(seed); }

}  // namespace detent::trace

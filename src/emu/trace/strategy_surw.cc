#include <algorithm>
#include <unordered_map>
#include <vector>

#include "emu/trace/outcomes.h"
#include "emu/trace/strategies.h"

namespace detent::trace {
namespace {

constexpr std::uint64_t kSelect = 0x737277;
constexpr std::uint64_t kTurn = 0x737278;
constexpr std::uint64_t kOther = 0x737279;
constexpr std::uint64_t kGuess = 0x73727a;
// One schedule in so many goes without the profile.
constexpr std::uint64_t kShareWithout = 3;

class Surw final : public Strategy {
 public:
  Surw(std::uint64_t seed, const Profile& profile) : seed_(seed), outcomes_(seed) {
    // The profile names one object by what it counts; objects that only other schedules touch it cannot.
    if (draw(seed, kSelect, 1) % kShareWithout != 0) select(profile);
    guess_ = std::uint64_t{2} << (draw(seed, kGuess, 0) % 6);
  }

  std::uint32_t pick_task(Choice kind, std::span<const Candidate> tasks) override {
    if (!is_eligible_turn(tasks)) turn_ = draw_turn(tasks);
    eligible_.clear();
    for (std::uint32_t i = 0; i < tasks.size(); ++i) {
      const TaskTrace& task = *tasks[i].task;
      if (!task.spinning && (!is_selected(task) || task.number == turn_)) eligible_.push_back(i);
    }
    if (eligible_.empty()) return fallback(tasks);
    // Outside the selected object the order matters little: mostly go on as Linux would.
    const std::uint64_t bits = draw(seed_, kOther, others_++);
    if (kind != Choice::kReadyTask && eligible_.front() == 0 && bits % 4 != 0) return 0;
    return eligible_[(bits >> 8) % eligible_.size()];
  }
  std::uint32_t pick(Choice kind, std::uint32_t options) override {
    return outcomes_.pick(kind, options);
  }
  void on_event(const TaskTrace& task) override {
    newest_ = std::max(newest_, task.number);
    if (!is_selected(task)) return;
    ++done_[task.number];
    if (task.number == turn_) turn_ = 0;
  }

 private:
  // One object, by the number of its events; one that a single task uses has no order to explore.
  void select(const Profile& profile) {
    std::unordered_map<std::uint64_t, std::uint64_t> total;
    std::unordered_map<std::uint64_t, std::uint32_t> users;
    for (const Profile::Count& count : profile.counts) {
      total[count.object] += count.events;
      ++users[count.object];
    }
    std::uint64_t sum = 0;
    for (const Profile::Count& count : profile.counts) {
      if (users[count.object] > 1) sum += count.events;
    }
    if (sum == 0) return;
    std::uint64_t ticket = draw(seed_, kSelect, 0) % sum;
    for (const Profile::Count& count : profile.counts) {
      if (users[count.object] < 2) continue;
      if (ticket < count.events) {
        selected_ = count.object;
        break;
      }
      ticket -= count.events;
    }
    for (const Profile::Count& count : profile.counts) {
      if (count.object == selected_) expected_[count.task] += count.events;
      last_known_ = std::max(last_known_, count.task);
    }
  }

  // Without a profile about a third of all objects are.
  bool is_selected(const TaskTrace& task) const {
    if (task.next.call == kUserCode) return false;
    const std::uint64_t object = key_of(task.next.object);
    return selected_ != 0 ? object == selected_ : draw(seed_, kSelect, object) % 3 == 0;
  }

  // What a task has left at the selected object. Tasks that do not exist yet count for the first one.
  std::uint64_t left(const TaskTrace& task) {
    std::uint64_t expected = selected_ != 0 ? expected_[task.number] : guess_;
    if (selected_ != 0 && task.number == 1) {
      for (std::uint32_t child = newest_ + 1; child <= last_known_; ++child) {
        expected += expected_[child];
      }
    }
    const std::uint64_t done = done_[task.number];
    return expected > done ? expected - done : is_selected(task) ? 1 : 0;
  }

  bool is_eligible_turn(std::span<const Candidate> tasks) const {
    return turn_ != 0 && std::ranges::any_of(tasks, [this](const Candidate& candidate) {
             return candidate.task->number == turn_ && !candidate.task->spinning;
           });
  }

  std::uint32_t draw_turn(std::span<const Candidate> tasks) {
    std::uint64_t sum = 0;
    for (const Candidate& candidate : tasks) sum += left(*candidate.task);
    if (sum == 0) return 0;
    std::uint64_t ticket = draw(seed_, kTurn, turns_++) % sum;
    for (const Candidate& candidate : tasks) {
      const std::uint64_t share = left(*candidate.task);
      if (ticket < share) return candidate.task->number;
      ticket -= share;
    }
    return 0;
  }

  // Whoever has the turn is not at the object yet, or only spinning tasks are left.
  std::uint32_t fallback(std::span<const Candidate> tasks) {
    return highest(tasks, [this](const TaskTrace& task) {
      return draw(seed_, kOther, others_ * 64 + task.number);
    });
  }

  std::uint64_t seed_;
  std::uint64_t selected_ = 0;  // key_of() the object; 0: there is no profile
  std::uint64_t guess_ = 0;
  std::uint32_t turn_ = 0;
  std::uint32_t newest_ = 0;
  std::uint32_t last_known_ = 0;
  std::uint64_t turns_ = 0;
  std::uint64_t others_ = 0;
  std::unordered_map<std::uint32_t, std::uint64_t> expected_;
  std::unordered_map<std::uint32_t, std::uint64_t> done_;
  std::vector<std::uint32_t> eligible_;
  Outcomes outcomes_;
};

}  // namespace

std::unique_ptr<Strategy> make_surw(std::uint64_t seed, const Profile& profile) {
  return std::make_unique<Surw>(seed, profile);
}

}  // namespace detent::trace

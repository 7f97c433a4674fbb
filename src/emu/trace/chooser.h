// Chooser: the one door for nondeterminism. Every decision that Linux leaves open is asked here.
//
// A question with at least two options is a *choice*; choices are numbered from 0 in the order asked. A
// run is a function of (program, inputs, seed, answers). The chooser takes down the answers that were not
// 0 (the deviations) and a hash over choices and events, so that two runs can be compared.
//
// In the usual run (fifo, nothing recorded) it is not active: every answer is 0 and costs a test of a flag.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "detent/units.h"
#include "emu/trace/choice.h"
#include "emu/trace/event.h"
#include "emu/trace/schedule.h"
#include "emu/trace/strategy.h"

namespace detent::trace {

/// Told of what happens inside the chooser; all calls come while a task is inside the kernel.
class ChoiceObserver {
 public:
  /// The first choice of the run is about to be answered.
  virtual void on_first_choice() = 0;
  /// Choice `deviation` was answered. `from` and `to`: numbers of the tasks of a switch; else 0.
  virtual void on_deviation(const Deviation& deviation, std::uint32_t from, std::uint32_t to) = 0;
  /// A replayed deviation does not fit: another kind of choice, or too few options. Does not return.
  virtual void on_divergence(const Deviation& expected, Choice kind, std::uint32_t options) = 0;

 protected:
  ~ChoiceObserver() = default;
};

/// What goes on over execve, besides the deviations.
struct Carry {
  std::uint64_t choices = 0;
  std::uint64_t turns = 0;  ///< choices among tasks
  std::uint64_t events = 0;
  std::uint64_t hash = 0;
  std::uint64_t random_draws = 0;
  std::uint32_t tasks = 0;
};

class Chooser {
 public:
  /// `seed` is that of the random bytes.
  explicit Chooser(std::uint64_t seed) : seed_(seed) {}

  /// From now on choices are answered by `schedule` and taken down; `observer` outlives this.
  void activate(Schedule schedule, const Profile& profile, ChoiceObserver& observer);
  /// In a forked child, the session's process `number`: Linux's usual answers, random bytes and a hash of its
  /// own.
  void become_child(std::uint64_t number);
  [[nodiscard]] bool active() const { return active_; }

  /// An option in [0, options). Kinds that Linux gives rarely are limited: after some answers other than 0
  /// they are no choice any more.
  std::uint32_t choose(Choice kind, std::uint32_t options) {
    return active_ && options > 1 && left(kind) != 0 ? ask(kind, options) : 0;
  }
  /// The same among tasks; `running` is the one that runs now, or null.
  std::uint32_t choose_task(Choice kind, TaskTrace* running, std::span<const Candidate> tasks);
  /// The next 64 pseudo-random bits of the run's seed: getrandom, AT_RANDOM.
  std::uint64_t random_bits();

  /// A new task: its number, from 1.
  std::uint32_t next_task() { return ++carry_.tasks; }
  /// `task` begins what it had published in task.next.
  void begin(TaskTrace& task, Instant<Monotonic> now);
  /// It is done, with a result as the guest sees it.
  void finish(TaskTrace& task, long result);

  /// `task` comes to the point in task.next, which looks like `state`: a number that is another one whenever
  /// the task gets on. Sets task.spinning, and tells if it should make room for others without being asked.
  ///
  /// A loop that waits looks the same each time, or holds a PAUSE; but a loop whose counter is in memory
  /// looks the same, too, so an atomic instruction counts only after many times.
  static bool spins_at_point(TaskTrace& task, std::uint64_t state);
  /// It does what it had published there, an event without a result.
  void pass_point(TaskTrace& task, Instant<Monotonic> now);
  /// True once there has been a choice: before that a copy of the fork server sees nothing.
  [[nodiscard]] bool has_chosen() const { return carry_.choices != 0; }

  [[nodiscard]] const Carry& carry() const { return carry_; }
  [[nodiscard]] const std::vector<Deviation>& deviations() const { return deviations_; }
  [[nodiscard]] const Schedule& schedule() const { return schedule_; }
  [[nodiscard]] std::uint64_t random_seed() const { return seed_; }
  /// The run so far as a deviation list.
  [[nodiscard]] Schedule recorded() const;
  /// The last event of another task than `task` at `object`; null if there is none.
  struct Touch {
    std::uint32_t task = 0;
    PastEvent event;
  };
  [[nodiscard]] const Touch* last_touch(const Object& object, std::uint32_t task) const;
  /// Events of the run per task and object.
  [[nodiscard]] const Profile& counts() const { return counts_; }
  /// After execve.
  void resume(const Carry& carry, std::vector<Deviation> deviations);

 private:
  // What a run keeps is bounded, however long it is.
  static constexpr std::size_t kMostDeviations = 1 << 20;
  static constexpr std::size_t kMostObjects = 1 << 14;
  // Answers other than 0 in one run, in the order of Choice.
  static constexpr std::uint32_t kNoLimit = ~0U;
  static constexpr std::array<std::uint32_t, kChoiceKinds> kLimits = {
      kNoLimit, kNoLimit, kNoLimit, kNoLimit, kNoLimit, 64, 8, 8, 8, 64, 4, 2048};
  std::uint32_t& left(Choice kind) { return left_[static_cast<std::size_t>(kind)]; }
  std::uint32_t ask(Choice kind, std::uint32_t options);
  std::uint32_t answer_by_replay(Choice kind, std::uint32_t options);
  /// False once so many choices were deviations that the rest of the run is Linux's.
  [[nodiscard]] bool may_deviate() const {
    return replaying_ || deviations_.size() < kMostDeviations;
  }
  void note_stretch(TaskTrace& running);
  void take_down(Choice kind, std::uint32_t options, std::uint32_t answer, std::uint32_t from,
                 std::uint32_t to);
  void add_to_hash(std::uint64_t value) { carry_.hash = mix_in(carry_.hash, value); }
  static std::uint64_t mix_in(std::uint64_t hash, std::uint64_t value);
  void touch(const TaskTrace& task, const PastEvent& past);
  void count(const TaskTrace& task);

  bool active_ = false;
  bool replaying_ = false;
  std::uint64_t seed_;
  Carry carry_;
  Schedule schedule_;
  std::size_t next_deviation_ = 0;
  std::unique_ptr<Strategy> strategy_;
  ChoiceObserver* observer_ = nullptr;
  std::vector<Deviation> deviations_;
  std::uint32_t stretch_task_ = 0;  // who has run on at each of the last `stretch_` choices
  std::uint32_t stretch_ = 0;
  std::array<std::uint32_t, kChoiceKinds> left_ = kLimits;
  std::unordered_map<std::uint64_t, std::array<Touch, 2>>
      touches_;  // the last of two tasks, newest first
  Profile counts_;
  std::unordered_map<std::uint64_t, std::size_t> count_index_;  // only looked up, never walked
};

}  // namespace detent::trace

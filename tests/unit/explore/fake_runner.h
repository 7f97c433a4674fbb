// A runner without processes: a made-up program of kChoices choices that fails if certain ones are answered
// in a certain way.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <random>

#include "explore/failure.h"
#include "explore/runner.h"

namespace detent::explore {

class FakeRunner final : public Runner {
 public:
  static constexpr std::uint32_t kChoices = 60;
  static constexpr std::uint32_t kOptions = 3;

  /// All of `needed` must be answered so for the program to fail.
  explicit FakeRunner(Deviations needed, int capacity = 1, bool last_first = false)
      : needed_(std::move(needed)), capacity_(capacity), last_first_(last_first) {}

  [[nodiscard]] int capacity() const override { return capacity_; }
  void start(std::uint64_t ticket, const Request& request) override {
    most_ = std::max(most_, static_cast<int>(queue_.size()) + 1);
    queue_.push_back({ticket, play(request.plan), false});
    ++runs;
  }
  Finished wait() override {
    if (last_first_) std::ranges::reverse(queue_);
    Finished done = std::move(queue_.front());
    queue_.pop_front();
    return done;
  }
  [[nodiscard]] bool stopping() const override { return runs >= stop_after; }
  [[nodiscard]] int most_under_way() const { return most_; }

  std::uint64_t runs = 0;
  std::uint64_t stop_after = ~0ULL;
  std::function<void(const Plan&, Outcome&)> touch_up;  ///< changes what comes out

 private:
  static Deviations answers(const Plan& plan) {
    Deviations taken;
    std::mt19937_64 random(plan.seed);
    for (std::uint32_t i = 0; i < kChoices; ++i) {
      const auto drawn = static_cast<std::uint32_t>(random() % kOptions);
      std::uint32_t option = plan.strategy == kReplay || plan.strategy == "fifo" ? 0 : drawn;
      for (const Deviation& one : plan.deviations) {
        if (one.index == i) option = one.option % kOptions;
      }
      if (option != 0) taken.push_back({i, option});
    }
    return taken;
  }

  Outcome play(const Plan& plan) {
    Outcome outcome;
    outcome.deviations = answers(plan);
    outcome.choices = kChoices;
    std::string text;
    for (const Deviation& one : outcome.deviations)
      text += fmt::format("{}:{} ", one.index, one.option);
    outcome.schedule = "fake" + short_hash(text);
    outcome.trace_hash = short_hash(text);
    const bool fails = std::ranges::includes(outcome.deviations, needed_);
    outcome.verdict = fails ? Verdict::kSignal : Verdict::kOk;
    outcome.signal = fails ? 6 : 0;
    if (touch_up) touch_up(plan, outcome);
    return outcome;
  }

  Deviations needed_;
  int capacity_;
  bool last_first_;
  int most_ = 0;
  std::deque<Finished> queue_;
};

}  // namespace detent::explore

#include "explore/schedule_text.h"

#include <fmt/format.h>

#include <fstream>

#include "emu/trace/schedule.h"

namespace detent::explore {
namespace {

constexpr const char* kMark = "x1";
constexpr const char* kDigits = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

// The longest word of base58 digits at `at`.
std::string word_at(const std::string& text, std::size_t at) {
  const std::size_t end = text.find_first_not_of(kDigits, at);
  return text.substr(at, end == std::string::npos ? end : end - at);
}

std::optional<trace::Schedule> decode(const std::string& text) {
  Result<trace::Schedule> parsed = trace::from_text(text);
  if (!parsed.ok()) return std::nullopt;
  return std::move(parsed).value();
}

std::optional<std::string> find_in_file(const std::string& path) {
  std::ifstream file(path);
  if (!file) return std::nullopt;
  for (std::string line; std::getline(file, line);) {
    for (std::size_t at = line.find(kMark); at != std::string::npos;
         at = line.find(kMark, at + 1)) {
      const std::string word = word_at(line, at);
      if (decode(word)) return word;
    }
  }
  return "";
}

}  // namespace

std::string schedule_text(const Plan& plan) {
  if (!plan.text.empty()) return plan.text;
  trace::Schedule schedule;
  const Result<trace::StrategyName> strategy = trace::parse_strategy(plan.strategy);
  if (strategy.ok()) schedule.strategy = strategy.value();
  schedule.seed = plan.seed;
  for (const Deviation& one : plan.deviations) {
    schedule.deviations.push_back({one.index, one.option, std::nullopt});
  }
  return trace::to_text(schedule);
}

bool strategy_is_known(const std::string& name) { return trace::parse_strategy(name).ok(); }

std::optional<Plan> read_schedule(const std::string& text, std::string& problem) {
  std::string word = text;
  std::optional<trace::Schedule> schedule = decode(word);
  if (!schedule) {
    const std::optional<std::string> found = find_in_file(text);
    if (found && !found->empty()) schedule = decode(word = *found);
    if (found && found->empty()) problem = fmt::format("no schedule in the file {}", text);
  }
  if (!schedule) {
    if (!problem.empty()) return std::nullopt;
    problem = text.starts_with(kMark)
                  ? fmt::format("the schedule {} is damaged: its checksum is wrong", text)
                  : fmt::format("{} is neither a schedule (x1...) nor a file with one", text);
    return std::nullopt;
  }
  Plan plan{trace::to_string(schedule->strategy), schedule->seed, {}, word};
  for (const trace::Deviation& one : schedule->deviations) {
    plan.deviations.push_back({one.choice, one.option});
  }
  return plan;
}

}  // namespace detent::explore

#include "explore/failure.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace detent::explore {
namespace {

using nlohmann::json;

std::string field(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

// What the tasks were at when the run ended, in an order that no id decides.
std::vector<std::string> task_states(const std::string& report) {
  std::vector<std::string> states;
  const json parsed = json::parse(report, nullptr, false);
  if (!parsed.is_object()) return states;
  const auto tasks = parsed.find("tasks");
  if (tasks == parsed.end() || !tasks->is_array()) return states;
  for (const json& task : *tasks) {
    if (task.is_object()) states.push_back(field(task, "state") + ":" + field(task, "call"));
  }
  std::ranges::sort(states);
  return states;
}

}  // namespace

std::string short_hash(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return fmt::format("{:016x}", hash);
}

std::string plain_key(const Outcome& outcome, const std::string& why) {
  std::string key = fmt::format("{}|{}|{}|{}", verdict_name(outcome.verdict), outcome.status,
                                outcome.signal, why);
  const bool stuck =
      outcome.verdict == Verdict::kDeadlock || outcome.verdict == Verdict::kLostWakeup;
  if (!stuck) return key;
  for (const std::string& state : task_states(outcome.report)) key += "|" + state;
  return key;
}

}  // namespace detent::explore

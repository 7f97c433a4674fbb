#include "explore/outcome.h"

#include <fmt/format.h>
#include <sys/wait.h>

#include <csignal>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

namespace detent::explore {
namespace {

using nlohmann::json;

constexpr std::pair<Verdict, const char*> kNames[] = {
    {Verdict::kOk, "ok"},
    {Verdict::kExit, "exit"},
    {Verdict::kSignal, "signal"},
    {Verdict::kDeadlock, "deadlock"},
    {Verdict::kLivelock, "livelock"},
    {Verdict::kLostWakeup, "lost-wakeup"},
    {Verdict::kTimeBudget, "time-budget"},
    {Verdict::kStepBudget, "step-budget"},
    {Verdict::kDivergence, "divergence"},
    {Verdict::kHang, "hang"},
    {Verdict::kOutputLimit, "output-limit"},
    {Verdict::kBroken, "broken"},
};

constexpr int kSchema = 1;

template <class T>
T number(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_number() ? found->get<T>() : T{0};
}

std::string text(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

Deviations deviations_of(const json& report) {
  Deviations result;
  const auto found = report.find("deviations");
  if (found == report.end() || !found->is_array()) return result;
  for (const json& pair : *found) {
    const bool sane = pair.is_array() && pair.size() >= 2 && pair[0].is_number_unsigned() &&
                      pair[1].is_number_unsigned();
    if (sane) result.push_back({pair[0].get<std::uint32_t>(), pair[1].get<std::uint32_t>()});
  }
  return result;
}

}  // namespace

const char* verdict_name(Verdict verdict) {
  for (const auto& [value, name] : kNames) {
    if (value == verdict) return name;
  }
  return "broken";
}

Verdict verdict_from(std::string_view name) {
  for (const auto& [value, text] : kNames) {
    if (name == text) return value;
  }
  return Verdict::kBroken;
}

std::string describe(const Outcome& outcome) {
  switch (outcome.verdict) {
    case Verdict::kOk:
      return "ok";
    case Verdict::kExit:
      return fmt::format("exit status {}", outcome.status);
    case Verdict::kSignal: {
      const char* name = sigabbrev_np(outcome.signal);
      if (name == nullptr) return fmt::format("signal {}", outcome.signal);
      return fmt::format("signal {} (SIG{})", outcome.signal, name);
    }
    case Verdict::kLostWakeup:
      return "lost wake-up";
    case Verdict::kTimeBudget:
      return "virtual time budget used up";
    case Verdict::kStepBudget:
      return "too many system calls";
    case Verdict::kHang:
      return "hang in host time";
    case Verdict::kOutputLimit:
      return "output without end";
    default:
      return verdict_name(outcome.verdict);
  }
}

bool same_run(const Outcome& a, const Outcome& b) {
  return a.trace_hash == b.trace_hash && a.verdict == b.verdict && a.status == b.status &&
         a.signal == b.signal;
}

bool read_report(std::string_view text_of_report, Outcome& outcome) {
  const json report = json::parse(text_of_report, nullptr, false);
  if (!report.is_object() || number<int>(report, "version") != kSchema) return false;
  const std::string name = text(report, "verdict");
  const Verdict verdict = verdict_from(name);
  if (verdict == Verdict::kBroken && name != "broken") return false;
  outcome.verdict = verdict;
  outcome.status = number<int>(report, "status");
  outcome.signal = number<int>(report, "signal");
  outcome.virtual_ns = number<std::int64_t>(report, "virtual_ns");
  outcome.choices = number<std::uint32_t>(report, "choices");
  outcome.trace_hash = text(report, "trace_hash");
  outcome.schedule = text(report, "schedule");
  outcome.deviations = deviations_of(report);
  outcome.replay = text(report, "strategy").ends_with("+atomics") ? kReplayAtomics : kReplay;
  outcome.report = text_of_report;
  return true;
}

void read_wait_status(int wait_status, Outcome& outcome) {
  if (WIFSIGNALED(wait_status)) {
    outcome.verdict = Verdict::kSignal;
    outcome.signal = WTERMSIG(wait_status);
    return;
  }
  outcome.status = WEXITSTATUS(wait_status);
  outcome.verdict = outcome.status == 0 ? Verdict::kOk : Verdict::kExit;
}

}  // namespace detent::explore

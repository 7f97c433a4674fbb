#include "explore/criteria.h"

#include <fmt/format.h>
#include <regex.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <csignal>
#include <cstring>
#include <functional>
#include <optional>

namespace detent::explore {
namespace {

// POSIX expressions: the matcher of std::regex recurses once a character, which a guest's output overflows.
class Matches final : public Condition {
 public:
  Matches(std::string Outcome::*text, bool wanted) : text_(text), wanted_(wanted) {}
  ~Matches() override {
    if (compiled_) regfree(&regex_);
  }
  Matches(const Matches&) = delete;
  Matches& operator=(const Matches&) = delete;

  bool compile(const std::string& pattern, std::string& problem) {
    const int error = regcomp(&regex_, pattern.c_str(), REG_EXTENDED | REG_NEWLINE);
    compiled_ = error == 0;
    if (compiled_) return true;
    char reason[128];
    regerror(error, &regex_, reason, sizeof(reason));
    problem = reason;
    return false;
  }
  [[nodiscard]] bool holds(const Outcome& outcome) const override {
    const std::string& text = outcome.*text_;
    regmatch_t range[1] = {{0, static_cast<regoff_t>(text.size())}};
    return (regexec(&regex_, text.c_str(), 1, range, REG_STARTEND) == 0) == wanted_;
  }
  [[nodiscard]] bool needs_output() const override { return true; }

 private:
  std::string Outcome::*text_;
  bool wanted_;
  bool compiled_ = false;
  regex_t regex_{};
};

using Value = std::function<std::optional<std::int64_t>(const Outcome&)>;
using Compare = std::function<bool(std::int64_t, std::int64_t)>;

class Compares final : public Condition {
 public:
  Compares(Value value, Compare compare, std::int64_t bound)
      : value_(std::move(value)), compare_(std::move(compare)), bound_(bound) {}
  [[nodiscard]] bool holds(const Outcome& outcome) const override {
    const std::optional<std::int64_t> value = value_(outcome);
    return value && compare_(*value, bound_);
  }

 private:
  Value value_;
  Compare compare_;
  std::int64_t bound_;
};

std::optional<std::int64_t> exit_value(const Outcome& outcome) {
  const bool exited = outcome.verdict == Verdict::kOk || outcome.verdict == Verdict::kExit;
  return exited ? std::optional<std::int64_t>(outcome.status) : std::nullopt;
}
std::optional<std::int64_t> signal_value(const Outcome& outcome) {
  return outcome.verdict == Verdict::kSignal ? std::optional<std::int64_t>(outcome.signal)
                                             : std::nullopt;
}
std::optional<std::int64_t> time_value(const Outcome& outcome) { return outcome.virtual_ns; }
std::optional<std::int64_t> verdict_value(const Outcome& outcome) {
  return static_cast<std::int64_t>(outcome.verdict);
}

Compare comparison(const std::string& sign) {
  if (sign == "==") return std::equal_to<>();
  if (sign == "!=") return std::not_equal_to<>();
  if (sign == "<") return std::less<>();
  if (sign == "<=") return std::less_equal<>();
  if (sign == ">") return std::greater<>();
  if (sign == ">=") return std::greater_equal<>();
  return nullptr;
}

std::optional<std::int64_t> whole_number(const std::string& text) {
  std::int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value);
  if (parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
  return value;
}

std::optional<std::int64_t> signal_number(const std::string& text) {
  for (int sig = 1; sig < NSIG; ++sig) {
    const char* name = sigabbrev_np(sig);
    if (name != nullptr && (text == name || text == std::string("SIG") + name)) return sig;
  }
  return whole_number(text);
}

std::optional<std::int64_t> span(const std::string& text) {
  static constexpr std::pair<const char*, double> kUnits[] = {
      {"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}};
  double value = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value);
  if (parsed.ec != std::errc() || !std::isfinite(value)) return std::nullopt;
  for (const auto& [unit, scale] : kUnits) {
    if (std::string(parsed.ptr, end) == unit && std::abs(value * scale) < 9e18) {
      return std::llround(value * scale);
    }
  }
  return std::nullopt;
}

std::optional<std::int64_t> verdict_number(const std::string& text) {
  const Verdict verdict = verdict_from(text);
  if (verdict == Verdict::kBroken) return std::nullopt;
  return static_cast<std::int64_t>(verdict);
}

struct Subject {
  const char* name;
  std::optional<std::int64_t> (*value)(const Outcome&);
  std::optional<std::int64_t> (*bound)(const std::string&);
};
constexpr Subject kSubjects[] = {
    {"exit", exit_value, whole_number},
    {"signal", signal_value, signal_number},
    {"time", time_value, span},
    {"verdict", verdict_value, verdict_number},
};

// "subject sign rest", with or without blanks between them.
struct Parts {
  std::string subject, sign, rest;
};
Parts split(const std::string& text) {
  constexpr const char* kSigns = "=!<>~";
  const std::size_t sign = std::min(text.find_first_of(kSigns), text.size());
  const std::size_t behind = std::min(text.find_first_not_of(kSigns, sign), text.size());
  Parts parts{text.substr(0, sign), text.substr(sign, behind - sign), text.substr(behind)};
  const auto trim = [](std::string& part) {
    part.erase(0, std::min(part.find_first_not_of(' '), part.size()));
    part.erase(part.find_last_not_of(' ') + 1);
  };
  trim(parts.subject);
  if (parts.rest.starts_with(' ')) parts.rest.erase(0, 1);
  return parts;
}

constexpr const char* kForms =
    "expected 'stdout ~ REGEX', 'stderr !~ REGEX', 'exit == N', 'signal == SIGSEGV', 'time > 5s' "
    "or "
    "'verdict == deadlock'";

std::unique_ptr<Condition> parse_match(const Parts& parts, std::string& problem) {
  const auto text = parts.subject == "stdout" ? &Outcome::output : &Outcome::errors;
  auto condition = std::make_unique<Matches>(text, parts.sign == "~");
  if (!condition->compile(parts.rest, problem)) return nullptr;
  return condition;
}

}  // namespace

std::unique_ptr<Condition> Condition::parse(const std::string& text, std::string& problem) {
  const Parts parts = split(text);
  const bool matches = parts.sign == "~" || parts.sign == "!~";
  if (matches && (parts.subject == "stdout" || parts.subject == "stderr")) {
    std::unique_ptr<Condition> condition = parse_match(parts, problem);
    if (condition == nullptr) problem = fmt::format("'{}': {}", text, problem);
    return condition;
  }
  const Compare compare = comparison(parts.sign);
  for (const Subject& subject : kSubjects) {
    if (parts.subject != subject.name || compare == nullptr) continue;
    const std::optional<std::int64_t> bound = subject.bound(parts.rest);
    if (bound) return std::make_unique<Compares>(subject.value, compare, *bound);
  }
  problem = fmt::format("'{}': {}", text, kForms);
  return nullptr;
}

bool Criteria::fail_if(const std::string& text, std::string& problem) {
  failing_.push_back({text, Condition::parse(text, problem)});
  return failing_.back().condition != nullptr;
}

bool Criteria::pass_if(const std::string& text, std::string& problem) {
  passing_.push_back({text, Condition::parse(text, problem)});
  return passing_.back().condition != nullptr;
}

std::string Criteria::why_failed(const Outcome& outcome) const {
  if (outcome.verdict == Verdict::kBroken || outcome.verdict == Verdict::kDivergence) return "";
  for (const Named& named : failing_) {
    if (named.condition->holds(outcome)) return named.text;
  }
  if (outcome.verdict == Verdict::kOk) return "";
  const auto holds = [&](const Named& named) { return named.condition->holds(outcome); };
  return std::ranges::any_of(passing_, holds) ? "" : describe(outcome);
}

bool Criteria::needs_output() const {
  const auto needs = [](const Named& named) { return named.condition->needs_output(); };
  return std::ranges::any_of(failing_, needs) || std::ranges::any_of(passing_, needs);
}

}  // namespace detent::explore

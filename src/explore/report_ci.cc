#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "explore/reports.h"

namespace detent::explore {
namespace {

using Json = nlohmann::ordered_json;

// A length in bytes of the UTF-8 sequence that starts at `at`, 0 if there is none.
std::size_t sequence_length(const std::string& text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = byte(at);
  const std::size_t length = first < 0x80 ? 1 : first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first >= 0x80 && (first < 0xc2 || first > 0xf4)) return 0;
  if (at + length > text.size()) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(at + i) & 0xc0) != 0x80) return 0;
  }
  return length;
}

// What XML 1.0 can hold: other characters and broken UTF-8 become '?'.
std::string xml(const std::string& text) {
  std::string result;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = sequence_length(text, at);
    const char c = text[at];
    const bool control = static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t';
    if (length == 0 || control) {
      result += '?';
    } else if (c == '<') {
      result += "&lt;";
    } else if (c == '>') {
      result += "&gt;";
    } else if (c == '&') {
      result += "&amp;";
    } else if (c == '"') {
      result += "&quot;";
    } else {
      result += text.substr(at, length);
    }
    at += std::max<std::size_t>(length, 1);
  }
  return result;
}

// Escapes of workflow commands; in a property also ':' and ','.
std::string github(const std::string& text, bool property) {
  std::string result;
  for (const char c : text) {
    const bool special = c == '%' || c == '\r' || c == '\n';
    if (special || (property && (c == ':' || c == ','))) {
      result += fmt::format("%{:02X}", static_cast<unsigned>(c));
    } else {
      result += c;
    }
  }
  return result;
}

std::string title(const Failure& failure, const Results& results) {
  const std::string program = results.program.empty() ? "?" : results.program.front();
  return fmt::format("{}: {}", program.substr(program.rfind('/') + 1), failure.why);
}

std::string message(const Failure& failure, const Results& results) {
  return fmt::format("{}\n{}replay: {}", failure.why, failure.story,
                     replay_line(failure, results.program));
}

std::string mismatch_message(const Mismatch& mismatch) {
  return fmt::format("schedule {} ({}, seed {}) is not repeatable: {}; {}", mismatch.index,
                     mismatch.plan.strategy, mismatch.plan.seed, mismatch.first, mismatch.second);
}

std::string github_line(const std::string& place, const std::string& heading,
                        const std::string& text) {
  return fmt::format("::error {}title={}::{}\n", place, github(heading, true), github(text, false));
}

std::string place_of(const Failure& failure) {
  if (failure.file.empty()) return "";
  return fmt::format("file={},line={},", github(failure.file, true), failure.line);
}

Json sarif_result(const Failure& failure, const Results& results) {
  Json result;
  result["ruleId"] = verdict_name(failure.outcome.verdict);
  result["level"] = "error";
  result["message"]["text"] = message(failure, results);
  result["partialFingerprints"]["detentFailure/v1"] = short_hash(failure.key);
  result["locations"] = Json::array();
  if (!failure.file.empty()) {
    Json location;
    location["physicalLocation"]["artifactLocation"]["uri"] = failure.file;
    location["physicalLocation"]["region"]["startLine"] = std::max(failure.line, 1);
    result["locations"].push_back(std::move(location));
  }
  return result;
}

}  // namespace

std::string junit_report(const Results& results) {
  const CampaignResult& found = results.found;
  const std::string suite = xml(shell_line(results.program));
  const bool bad = exit_status(results) == kExitDivergence || found.stop == Stop::kBroken;
  std::string text = fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
      "<testsuites>\n<testsuite name=\"detent explore\" tests=\"{}\" failures=\"{}\" "
      "errors=\"{}\">\n",
      found.failures.size() + 1, found.failures.size(), bad ? 1 : 0);
  text += fmt::format("<testcase classname=\"{}\" name=\"{} schedules\">", suite, found.schedules);
  if (found.stop == Stop::kBroken) {
    text += fmt::format("<error message=\"{}\"/>", xml(found.complaint));
  } else if (bad) {
    text += fmt::format("<error message=\"{}\"/>", xml(mismatch_message(found.mismatches[0])));
  }
  text += "</testcase>\n";
  for (const Failure& failure : found.failures) {
    text += fmt::format(
        "<testcase classname=\"{}\" name=\"{}\">\n<failure type=\"{}\" message=\"{}\">{}"
        "</failure>\n</testcase>\n",
        suite, short_hash(failure.key), verdict_name(failure.outcome.verdict), xml(failure.why),
        xml(message(failure, results)));
  }
  return text + "</testsuite>\n</testsuites>\n";
}

std::string github_report(const Results& results) {
  constexpr std::size_t kShown = 9;
  const CampaignResult& found = results.found;
  std::string text;
  if (found.stop == Stop::kBroken) {
    text += github_line("", "detent cannot run the program", found.complaint);
  }
  if (!found.mismatches.empty()) {
    text += github_line("", "not repeatable", mismatch_message(found.mismatches[0]));
  }
  const std::size_t shown = std::min(found.failures.size(), kShown - (text.empty() ? 0 : 1));
  for (std::size_t i = 0; i < shown; ++i) {
    const Failure& failure = found.failures[i];
    text += github_line(place_of(failure), title(failure, results), message(failure, results));
  }
  if (shown < found.failures.size()) {
    text += github_line("", "more failures",
                        fmt::format("{} more kinds of failure", found.failures.size() - shown));
  }
  return text;
}

std::string sarif_report(const Results& results) {
  Json run;
  run["tool"]["driver"]["name"] = "detent";
  run["tool"]["driver"]["rules"] = Json::array();
  run["results"] = Json::array();
  for (const Failure& failure : results.found.failures) {
    Json rule;
    rule["id"] = verdict_name(failure.outcome.verdict);
    Json& rules = run["tool"]["driver"]["rules"];
    if (std::find(rules.begin(), rules.end(), rule) == rules.end()) rules.push_back(rule);
    run["results"].push_back(sarif_result(failure, results));
  }
  Json sarif;
  sarif["$schema"] = "https://json.schemastore.org/sarif-2.1.0.json";
  sarif["version"] = "2.1.0";
  sarif["runs"] = Json::array({run});
  return sarif.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace detent::explore

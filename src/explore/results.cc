#include "explore/results.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

namespace detent::explore {
namespace {

using nlohmann::ordered_json;
using Json = ordered_json;

constexpr int kFormat = 1;

constexpr std::pair<Stop, const char*> kStops[] = {
    {Stop::kDone, "done"},
    {Stop::kFailure, "failure"},
    {Stop::kTimeBudget, "time-budget"},
    {Stop::kInterrupted, "interrupted"},
    {Stop::kBroken, "broken"},
};

const char* stop_name(Stop stop) {
  for (const auto& [value, name] : kStops) {
    if (value == stop) return name;
  }
  return "broken";
}

Stop stop_from(const std::string& name) {
  for (const auto& [value, text] : kStops) {
    if (name == text) return value;
  }
  return Stop::kBroken;
}

// Text of a guest's may be no UTF-8; what is printed says so by a replacement character.
std::string dump(const Json& json) {
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Json list_of(const Deviations& deviations) {
  Json list = Json::array();
  for (const Deviation& one : deviations) list.push_back({one.index, one.option});
  return list;
}

Json failure_to_json(const Failure& failure, const std::vector<std::string>& program) {
  const Outcome& outcome = failure.outcome;
  Json json;
  json["key"] = short_hash(failure.key);
  json["key_text"] = failure.key;
  json["why"] = failure.why;
  json["verdict"] = verdict_name(outcome.verdict);
  json["status"] = outcome.status;
  json["signal"] = outcome.signal;
  json["index"] = failure.index;
  json["count"] = failure.count;
  json["strategy"] = failure.plan.strategy;
  json["seed"] = failure.plan.seed;
  json["virtual_ns"] = outcome.virtual_ns;
  json["choices"] = outcome.choices;
  json["trace_hash"] = outcome.trace_hash;
  json["deviations_at_first"] = failure.deviations_at_first;
  json["deviations"] = list_of(outcome.deviations);
  json["schedule"] = outcome.schedule;
  json["replay"] = replay_line(failure, program);
  json["file"] = failure.file;
  json["line"] = failure.line;
  json["story"] = failure.story;
  return json;
}

Json mismatch_to_json(const Mismatch& mismatch) {
  Json json;
  json["index"] = mismatch.index;
  json["strategy"] = mismatch.plan.strategy;
  json["seed"] = mismatch.plan.seed;
  json["first"] = mismatch.first;
  json["second"] = mismatch.second;
  return json;
}

// Fields of a file that somebody may have edited: a wrong type is told, never trusted.
class Reader {
 public:
  explicit Reader(const Json& json) : json_(json) {}
  template <class T>
  T get(const char* name) {
    const auto found = json_.is_object() ? json_.find(name) : json_.end();
    if (!json_.is_object() || found == json_.end() || !fits<T>(*found)) {
      bad_ = bad_ != nullptr ? bad_ : name;
      return T{};
    }
    return found->template get<T>();
  }
  const Json& array(const char* name) {
    static const Json kEmpty = Json::array();
    const auto found = json_.is_object() ? json_.find(name) : json_.end();
    if (!json_.is_object() || found == json_.end() || !found->is_array()) {
      bad_ = bad_ != nullptr ? bad_ : name;
      return kEmpty;
    }
    return *found;
  }
  [[nodiscard]] const char* bad() const { return bad_; }

 private:
  template <class T>
  static bool fits(const Json& value) {
    if constexpr (std::is_same_v<T, std::string>) return value.is_string();
    if constexpr (std::is_same_v<T, bool>) return value.is_boolean();
    if constexpr (std::is_unsigned_v<T>) return value.is_number_unsigned();
    return value.is_number_integer();
  }
  const Json& json_;
  const char* bad_ = nullptr;
};

Deviations deviations_from(const Json& list) {
  Deviations result;
  for (const Json& pair : list) {
    const bool sane = pair.is_array() && pair.size() == 2 && pair[0].is_number_unsigned() &&
                      pair[1].is_number_unsigned();
    if (sane) result.push_back({pair[0].get<std::uint32_t>(), pair[1].get<std::uint32_t>()});
  }
  return result;
}

const char* read_failure(const Json& json, Failure& failure) {
  Reader reader(json);
  failure.key = reader.get<std::string>("key_text");
  failure.why = reader.get<std::string>("why");
  failure.index = reader.get<std::uint64_t>("index");
  failure.count = reader.get<std::uint64_t>("count");
  failure.plan.strategy = reader.get<std::string>("strategy");
  failure.plan.seed = reader.get<std::uint64_t>("seed");
  failure.deviations_at_first = reader.get<std::int64_t>("deviations_at_first");
  failure.file = reader.get<std::string>("file");
  failure.line = reader.get<int>("line");
  failure.story = reader.get<std::string>("story");
  Outcome& outcome = failure.outcome;
  outcome.verdict = verdict_from(reader.get<std::string>("verdict"));
  outcome.status = reader.get<int>("status");
  outcome.signal = reader.get<int>("signal");
  outcome.virtual_ns = reader.get<std::int64_t>("virtual_ns");
  outcome.choices = reader.get<std::uint32_t>("choices");
  outcome.trace_hash = reader.get<std::string>("trace_hash");
  outcome.schedule = reader.get<std::string>("schedule");
  outcome.deviations = deviations_from(reader.array("deviations"));
  return reader.bad();
}

const char* read_mismatch(const Json& json, Mismatch& mismatch) {
  Reader reader(json);
  mismatch.index = reader.get<std::uint64_t>("index");
  mismatch.plan.strategy = reader.get<std::string>("strategy");
  mismatch.plan.seed = reader.get<std::uint64_t>("seed");
  mismatch.first = reader.get<std::string>("first");
  mismatch.second = reader.get<std::string>("second");
  return reader.bad();
}

const char* read_all(const Json& json, Results& results) {
  Reader reader(json);
  if (reader.get<int>("detent_results") != kFormat) return "detent_results";
  for (const Json& word : reader.array("program")) {
    if (!word.is_string()) return "program";
    results.program.push_back(word.get<std::string>());
  }
  results.spec.strategy = reader.get<std::string>("strategy");
  results.spec.master = reader.get<std::uint64_t>("master_seed");
  results.spec.schedules = reader.get<std::uint64_t>("asked");
  results.spec.until_failure = reader.get<bool>("until_failure");
  if (!parse_shard(reader.get<std::string>("shard"), results.spec.shard)) return "shard";
  CampaignResult& found = results.found;
  found.stop = stop_from(reader.get<std::string>("stop"));
  found.schedules = reader.get<std::uint64_t>("schedules");
  found.failing = reader.get<std::uint64_t>("failing");
  found.broken = reader.get<std::uint64_t>("broken");
  found.complaint = reader.get<std::string>("complaint");
  const char* bad = reader.bad();
  for (const Json& one : reader.array("failures")) {
    const char* problem = read_failure(one, found.failures.emplace_back());
    bad = bad != nullptr ? bad : problem;
  }
  for (const Json& one : reader.array("nondeterministic")) {
    const char* problem = read_mismatch(one, found.mismatches.emplace_back());
    bad = bad != nullptr ? bad : problem;
  }
  const auto traces = json.find("traces");
  if (traces == json.end() || !traces->is_object()) return "traces";
  for (const auto& [hash, count] : traces->items()) {
    if (!count.is_number_unsigned()) return "traces";
    found.traces[hash] = count.get<std::uint64_t>();
  }
  return bad != nullptr ? bad : reader.bad();
}

// What must be equal for two files to be shards of one campaign.
std::string identity(const Results& results) {
  const CampaignSpec& spec = results.spec;
  return fmt::format("{}|{}|{}|{}|{}|{}", shell_line(results.program), spec.strategy, spec.master,
                     spec.schedules, spec.until_failure, spec.shard.count);
}

void add(CampaignResult& sum, CampaignResult shard) {
  sum.schedules += shard.schedules;
  sum.failing += shard.failing;
  if (sum.complaint.empty()) sum.complaint = shard.complaint;
  sum.broken += shard.broken;
  if (sum.stop == Stop::kDone) sum.stop = shard.stop;
  for (const auto& [hash, count] : shard.traces) sum.traces[hash] += count;
  for (Mismatch& mismatch : shard.mismatches) sum.mismatches.push_back(std::move(mismatch));
  for (Failure& failure : shard.failures) {
    const auto known = std::ranges::find(sum.failures, failure.key, &Failure::key);
    if (known == sum.failures.end()) {
      sum.failures.push_back(std::move(failure));
      continue;
    }
    const std::uint64_t count = known->count + failure.count;
    if (failure.index < known->index) *known = std::move(failure);
    known->count = count;
  }
}

}  // namespace

std::string shell_word(const std::string& text) {
  constexpr const char* kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./:,@%";
  if (!text.empty() && text.find_first_not_of(kPlain) == std::string::npos) return text;
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

std::string shell_line(const std::vector<std::string>& words) {
  std::string line;
  for (const std::string& word : words) line += (line.empty() ? "" : " ") + shell_word(word);
  return line;
}

std::string replay_line(const Failure& failure, const std::vector<std::string>& program) {
  // A run that left no report has no schedule of its own: the seed says as much.
  if (failure.outcome.schedule.empty()) {
    return fmt::format("detent run --time=virtual --strategy={} --seed={} -- {}",
                       failure.plan.strategy, failure.plan.seed, shell_line(program));
  }
  return fmt::format("detent replay '{}' -- {}", failure.outcome.schedule, shell_line(program));
}

std::string to_json(const Results& results) {
  const CampaignResult& found = results.found;
  Json json;
  json["detent_results"] = kFormat;
  json["program"] = results.program;
  json["strategy"] = results.spec.strategy;
  json["master_seed"] = results.spec.master;
  json["asked"] = results.spec.schedules;
  json["until_failure"] = results.spec.until_failure;
  json["shard"] = fmt::format("{}/{}", results.spec.shard.number, results.spec.shard.count);
  json["stop"] = stop_name(found.stop);
  json["schedules"] = found.schedules;
  json["failing"] = found.failing;
  json["broken"] = found.broken;
  json["complaint"] = found.complaint;
  json["distinct_traces"] = found.traces.size();
  json["failures"] = Json::array();
  for (const Failure& failure : found.failures) {
    json["failures"].push_back(failure_to_json(failure, results.program));
  }
  json["nondeterministic"] = Json::array();
  for (const Mismatch& one : found.mismatches) {
    json["nondeterministic"].push_back(mismatch_to_json(one));
  }
  json["traces"] = Json::object();
  for (const auto& [hash, count] : found.traces) json["traces"][hash] = count;
  return dump(json);
}

std::optional<Results> from_json(const std::string& text, std::string& problem) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) {
    problem = "not JSON, or cut off";
    return std::nullopt;
  }
  Results results;
  const char* bad = read_all(json, results);
  if (bad == nullptr) return results;
  problem = fmt::format("not the results of detent explore: '{}' is missing or wrong", bad);
  return std::nullopt;
}

std::optional<Results> merge(std::vector<Results> shards, std::string& problem) {
  std::ranges::sort(shards, {}, [](const Results& one) { return one.spec.shard.number; });
  for (std::size_t i = 0; i < shards.size(); ++i) {
    if (identity(shards[i]) != identity(shards[0])) {
      problem =
          "these are not shards of one campaign: program, strategy, seed, number of schedules "
          "or of shards differ";
    } else if (shards[i].spec.shard.number != i) {
      problem = i > 0 && shards[i].spec.shard.number == i - 1
                    ? fmt::format("shard {} is there twice", i - 1)
                    : fmt::format("shard {} is missing", i);
    }
    if (!problem.empty()) return std::nullopt;
  }
  if (shards.empty() || shards.size() != shards[0].spec.shard.count) {
    problem = fmt::format("shard {} is missing", shards.size());
    return std::nullopt;
  }
  Results whole{shards[0].program, shards[0].spec, {}};
  whole.spec.shard = Shard{};
  for (Results& shard : shards) add(whole.found, std::move(shard.found));
  std::ranges::sort(whole.found.failures, {}, &Failure::index);
  std::ranges::sort(whole.found.mismatches, {}, &Mismatch::index);
  return whole;
}

}  // namespace detent::explore

#include "explore/run_profile.h"

#include <charconv>
#include <nlohmann/json.hpp>

namespace detent::explore {
namespace {

using nlohmann::json;

std::uint64_t from_hex(const std::string& text) {
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value, 16);
  return value;
}

bool is_count(const json& entry) {
  return entry.is_array() && entry.size() == 3 && entry[0].is_number_unsigned() &&
         entry[1].is_string() && entry[2].is_number_unsigned();
}

}  // namespace

std::shared_ptr<const RunProfile> profile_from(std::string_view report) {
  const json parsed = json::parse(report, nullptr, false);
  if (!parsed.is_object()) return nullptr;
  const auto turns = parsed.find("turns");
  const auto counts = parsed.find("profile");
  if (turns == parsed.end() || !turns->is_number_unsigned() || counts == parsed.end() ||
      !counts->is_array() || counts->size() > RunProfile::kMost) {
    return nullptr;
  }
  auto profile = std::make_shared<RunProfile>();
  profile->turns = turns->get<std::uint64_t>();
  for (const json& entry : *counts) {
    if (!is_count(entry)) return nullptr;
    profile->counts.push_back({entry[0].get<std::uint32_t>(), from_hex(entry[1].get<std::string>()),
                               entry[2].get<std::uint64_t>()});
  }
  profile->text = json{{"turns", *turns}, {"profile", *counts}}.dump();
  return profile;
}

std::shared_ptr<const RunProfile> profile_of(Runner& runner, std::uint64_t seed) {
  Request request;
  request.plan.seed = seed;
  request.full_report = true;
  return profile_from(run_one(runner, request).report);
}

}  // namespace detent::explore

#include "cli/profile.h"

#include <fmt/format.h>

#include <charconv>
#include <fstream>
#include <nlohmann/json.hpp>

namespace detent::cli {
namespace {

std::uint64_t from_hex(const std::string& text) {
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value, 16);
  return value;
}

}  // namespace

bool read_profile(const std::string& path, trace::Profile& profile, std::string& problem) {
  std::ifstream file(path);
  try {
    const nlohmann::json report = nlohmann::json::parse(file);
    profile.turns = report.at("turns").get<std::uint64_t>();
    for (const nlohmann::json& entry : report.at("profile")) {
      profile.counts.push_back({entry.at(0).get<std::uint32_t>(),
                                from_hex(entry.at(1).get<std::string>()),
                                entry.at(2).get<std::uint64_t>()});
    }
  } catch (const nlohmann::json::exception& error) {
    problem = fmt::format("--profile={}: expected a report of detent run: {}", path, error.what());
    return false;
  }
  return true;
}

}  // namespace detent::cli

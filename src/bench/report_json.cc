#include <nlohmann/json.hpp>

#include "bench/reports.h"

namespace detent::bench {
namespace {

using Json = nlohmann::ordered_json;

Json result_json(const Row& row, std::size_t subject) {
  const Result& result = row.results[subject];
  Json json;
  for (const auto& [name, share] : kPercentiles) json[name] = result.all.quantile(share);
  json["samples"] = result.all.count();
  json["round_medians"] = result.medians;
  if (subject != 0) json["native_ratio"] = median(ratios(row, subject));
  return json;
}

}  // namespace

std::string to_json(const Report& report, const MachineFacts& machine) {
  Json json{
      {"version", 1}, {"unit", "ns"}, {"machine", Json::object()}, {"figures", Json::array()}};
  for (const auto& [what, value] : machine) json["machine"][what] = value;
  for (const Row& row : report.rows) {
    Json figure{{"name", row.figure.name}, {"what", row.figure.what}};
    if (row.figure.budget_ns > 0) figure["budget"] = row.figure.budget_ns;
    for (std::size_t subject = 0; subject < row.results.size(); ++subject) {
      if (!row.results[subject].medians.empty()) {
        figure["subjects"][report.subjects[subject]] = result_json(row, subject);
      }
    }
    json["figures"].push_back(figure);
  }
  json["not_measured"] = report.problems;
  return json.dump(2) + "\n";
}

}  // namespace detent::bench

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "bench/reports.h"

namespace detent::bench {
namespace {

// With as many digits as mean something, and the unit that keeps it short.
std::string short_time(double ns) {
  static constexpr std::pair<double, const char*> kUnits[] = {{1e9, "s"}, {1e6, "ms"}, {1e3, "us"}};
  for (const auto& [size, unit] : kUnits) {
    if (ns >= 10 * size) return fmt::format("{:.{}f} {}", ns / size, ns < 100 * size ? 1 : 0, unit);
  }
  return fmt::format("{:.{}f} ns", ns, ns < 100 ? 1 : 0);
}

std::string ratio_text(const Row& row, std::size_t subject) {
  const std::vector<double> all = ratios(row, subject);
  if (subject == 0 || all.empty()) return "";
  const auto [low, high] = std::ranges::minmax(all);
  return fmt::format("{:>8.2f}  ({:.2f} to {:.2f})", median(all), low, high);
}

std::string line(const std::string& what, const Report& report, const Row& row,
                 std::size_t subject) {
  const Result& result = row.results[subject];
  std::string text = fmt::format("{:<38} {:<8}", what, report.subjects[subject]);
  for (const auto& [name, share] : kPercentiles) {
    text += fmt::format(" {:>10}",
                        result.medians.empty() ? "-" : short_time(result.all.quantile(share)));
  }
  text += "  " + ratio_text(row, subject);
  if (subject == 1 && row.figure.budget_ns > 0) {
    text += fmt::format("  budget {}", short_time(row.figure.budget_ns));
  }
  return text + "\n";
}

}  // namespace

std::string to_text(const Report& report) {
  std::string text = fmt::format("{:<47}", "");
  for (const auto& [name, share] : kPercentiles) text += fmt::format(" {:>10}", name);
  text += "   native/it  (range of the rounds)\n";
  for (const Row& row : report.rows) {
    std::string what = row.figure.what;
    for (std::size_t subject = 0; subject < row.results.size(); ++subject) {
      // A subject that is not meant to have this figure has no line; one that failed has, and is told below.
      if (subject < 2 && row.results[subject].medians.empty()) continue;
      text += line(std::exchange(what, ""), report, row, subject);
    }
  }
  for (const std::string& problem : report.problems) text += "not measured: " + problem + "\n";
  return text;
}

}  // namespace detent::bench

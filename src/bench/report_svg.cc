#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "bench/reports.h"

namespace detent::bench {
namespace {

constexpr double kLeft = 290;
constexpr double kWidth = 640;
constexpr double kTop = 60;
constexpr double kLine = 12;
constexpr double kGap = 8;
constexpr const char* kColours[] = {"#888888", "#0b6e4f", "#c1440e",
                                    "#3454d1", "#8c2f8c", "#b38600"};

std::string escaped(const std::string& text) {
  std::string result;
  for (const char c : text) {
    result += c == '&' ? "&amp;" : c == '<' ? "&lt;" : c == '>' ? "&gt;" : std::string(1, c);
  }
  return result;
}

std::string label(double x, double y, const std::string& anchor, const std::string& text) {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>\n", x, y, anchor,
                     escaped(text));
}

// Decades from that of the least value to that of the greatest.
class Axis {
 public:
  explicit Axis(const Report& report) {
    for (const Row& row : report.rows) {
      for (const Result& result : row.results) {
        if (result.medians.empty()) continue;
        low_ = std::min(low_, std::floor(std::log10(std::max(result.all.quantile(0.5), 0.1))));
        high_ = std::max(high_, std::ceil(std::log10(std::max(result.all.quantile(0.999), 1.0))));
      }
    }
    if (high_ <= low_) high_ = low_ + 1;
  }

  [[nodiscard]] double x(double ns) const {
    const double share = (std::log10(std::max(ns, 1e-3)) - low_) / (high_ - low_);
    return kLeft + kWidth * std::clamp(share, 0.0, 1.0);
  }

  [[nodiscard]] std::string grid(double bottom) const {
    static constexpr const char* kNames[] = {"0.1 ns", "1 ns",   "10 ns", "100 ns", "1 us",
                                             "10 us",  "100 us", "1 ms",  "10 ms",  "100 ms",
                                             "1 s",    "10 s",   "100 s", "1000 s"};
    std::string text;
    for (double decade = low_; decade <= high_; ++decade) {
      const double at = x(std::pow(10, decade));
      text +=
          fmt::format("<path d=\"M{0:.1f} {1:.1f}V{2:.1f}\" stroke=\"#ddd\"/>\n", at, kTop, bottom);
      const auto name = static_cast<std::size_t>(std::clamp(decade + 1, 0.0, 13.0));
      text += label(at, kTop - 6, "middle", kNames[name]);
    }
    return text;
  }

 private:
  double low_ = 12;
  double high_ = -1;
};

std::string bar(const Axis& axis, const Result& result, double y, const char* colour) {
  const double from = axis.x(result.all.quantile(0.5));
  return fmt::format(
      "<path d=\"M{0:.1f} {1:.1f}H{2:.1f}\" stroke=\"{3}\" stroke-width=\"3\"/>"
      "<circle cx=\"{0:.1f}\" cy=\"{1:.1f}\" r=\"4\" fill=\"{3}\"/>\n",
      from, y, std::max(axis.x(result.all.quantile(0.999)), from), colour);
}

std::string legend(const Report& report) {
  std::string text;
  for (std::size_t i = 0; i < report.subjects.size(); ++i) {
    const double x = kLeft + 110 * static_cast<double>(i);
    text += fmt::format("<circle cx=\"{:.1f}\" cy=\"20\" r=\"4\" fill=\"{}\"/>\n", x,
                        kColours[i % std::size(kColours)]);
    text += label(x + 9, 24, "start", report.subjects[i]);
  }
  return text + label(10, 24, "start", "dot: median; line: to p99.9");
}

}  // namespace

std::string to_svg(const Report& report, const MachineFacts& machine) {
  const Axis axis(report);
  std::string body = legend(report);
  std::string bars;
  double y = kTop + kGap;
  for (const Row& row : report.rows) {
    bars += label(kLeft - 10, y + kLine, "end", row.figure.what);
    for (std::size_t i = 0; i < row.results.size(); ++i, y += kLine) {
      if (row.results[i].medians.empty()) continue;
      bars += bar(axis, row.results[i], y + kLine / 2, kColours[i % std::size(kColours)]);
    }
    y += kGap;
  }
  body += axis.grid(y) + bars;
  std::string facts;
  for (const auto& [what, value] : machine) facts += fmt::format("{}: {}   ", what, value);
  body += label(10, y + 24, "start", facts);
  return fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0f}\" height=\"{1:.0f}\" "
      "font-family=\"sans-serif\" font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" "
      "fill=\"white\"/>\n{2}</svg>\n",
      kLeft + kWidth + 40, y + 40, body);
}

}  // namespace detent::bench

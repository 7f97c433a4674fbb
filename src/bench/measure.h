// Runs the catalogue's guests natively, under detent and under whatever else is asked for, interleaved.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/histogram.h"
#include "bench/catalogue.h"

namespace detent::bench {

/// Where a guest runs.
struct Subject {
  std::string name;
  std::vector<std::string> prefix;  ///< goes before the guest's command; empty: natively
};

struct Settings {
  std::string detent;             ///< path of this program
  std::string guests;             ///< directory of the guests
  std::vector<Subject> others;    ///< besides native and detent
  std::vector<std::string> only;  ///< figures wanted; empty: all
  int rounds = 5;
  bool quick = false;  ///< tiny counts: does it run at all?
};

/// What one subject gave for one figure.
struct Result {
  Histogram all;                ///< of all rounds
  std::vector<double> medians;  ///< ns, one a round
};

struct Row {
  Figure figure;
  std::vector<Result> results;  ///< by Report::subjects; without medians: there is none
};

struct Report {
  std::vector<std::string> subjects;  ///< the first is "native", the second "detent"
  std::vector<Row> rows;
  std::vector<std::string> problems;  ///< what could not be measured, and why
};

/// Ratios native / subject, round by round: above 1, the subject is quicker. Empty if either has no result.
std::vector<double> ratios(const Row& row, std::size_t subject);
/// 0 if empty.
double median(std::vector<double> values);

/// Takes rounds in turns: in every second round the last subject comes first. `progress` is told what runs.
Report measure(const Settings& settings, const std::function<void(const std::string&)>& progress);

}  // namespace detent::bench

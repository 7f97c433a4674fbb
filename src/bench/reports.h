// A benchmark's report in its three forms.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "bench/measure.h"

namespace detent::bench {

using MachineFacts = std::vector<std::pair<std::string, std::string>>;

/// The percentiles that all forms show.
inline constexpr std::pair<const char*, double> kPercentiles[] = {
    {"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}, {"max", 1}};

/// For a terminal: two lines and more a figure, one a subject.
std::string to_text(const Report& report);
/// All values are ns.
std::string to_json(const Report& report, const MachineFacts& machine);
/// A picture: a line a subject from the median to p99.9 on a logarithmic axis, with a dot at the median.
std::string to_svg(const Report& report, const MachineFacts& machine);

}  // namespace detent::bench

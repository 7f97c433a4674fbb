// --profile: what a strategy wants to know of a run without preemption, from that run's report.
#pragma once

#include <string>

#include "emu/trace/profile.h"

namespace detent::cli {

/// False, with what is wrong in `problem`, if the file is no report.
bool read_profile(const std::string& path, trace::Profile& profile, std::string& problem);

}  // namespace detent::cli

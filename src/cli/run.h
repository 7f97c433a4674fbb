// `detent run`: parse, check, and exec the guest.
#pragma once

#include <string>
#include <vector>

#include "detent/config.h"

namespace detent::cli {

/// Exit codes of ours in front of the guest's own (docs/exit-codes.md).
inline constexpr int kExitUsage = 2;
inline constexpr int kExitCannotRun = 126;
inline constexpr int kExitNotFound = 127;

/// Starts `command` (program and arguments) under detent; `events` happen to its clocks. Returns only on
/// failure, with the exit code; what was wrong has been printed.
int run_guest(const emu::Config& config, const TimeEvents& events,
              const std::vector<std::string>& command);

}  // namespace detent::cli

// Reports of a campaign in the formats of others. Pure functions of the results, so that merged shards give
// the report of one process.
#pragma once

#include <cstdint>
#include <string>

#include "explore/results.h"

namespace detent::explore {

/// For a person at a terminal: verdict, failures with their stories, the lines to paste.
std::string terminal_report(const Results& results);
/// One line, rewritten while the campaign runs.
std::string progress_line(const Progress& progress);

/// JUnit XML: one test case for the campaign, and one for each failure.
std::string junit_report(const Results& results);
/// Workflow commands of GitHub Actions, one line a failure. GitHub shows ten a step: more are one line.
std::string github_report(const Results& results);
/// SARIF 2.1.0.
std::string sarif_report(const Results& results);

/// What the exit status of `detent explore` says (docs/exit-codes.md).
int exit_status(const Results& results);

inline constexpr int kExitClean = 0;
inline constexpr int kExitBug = 1;
inline constexpr int kExitDivergence = 3;
inline constexpr int kExitUnsupported = 4;
inline constexpr int kExitTimeBudget = 124;
inline constexpr int kExitInterrupted = 130;

}  // namespace detent::explore

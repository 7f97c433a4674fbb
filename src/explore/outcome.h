// Outcome: what one run came to, as far as a campaign needs it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "explore/plan.h"

namespace detent::explore {

enum class Verdict : std::uint8_t {
  kOk,           ///< exit status 0
  kExit,         ///< another exit status
  kSignal,       ///< ended by a signal
  kDeadlock,     ///< all tasks wait, and nothing can wake them
  kLivelock,     ///< system calls without end at one virtual instant
  kLostWakeup,   ///< deadlock, and a task waits on a futex word that has changed since
  kTimeBudget,   ///< more virtual time than allowed
  kStepBudget,   ///< more system calls than allowed
  kDivergence,   ///< a replay met other choices than it was recorded with
  kHang,         ///< more host time than allowed: killed
  kOutputLimit,  ///< wrote more than is kept: killed
  kBroken,       ///< detent itself could not run it; `complaint` tells why
};

/// "ok", "deadlock", ...: as in reports.
const char* verdict_name(Verdict verdict);
/// kBroken for a name that is none.
Verdict verdict_from(std::string_view name);

struct Outcome {
  Verdict verdict = Verdict::kBroken;
  int status = 0;  ///< exit status, for kOk and kExit
  int signal = 0;  ///< for kSignal
  std::int64_t virtual_ns = 0;
  std::uint32_t choices = 0;
  std::string trace_hash;  ///< hex; empty where the run left no report (kHang)
  Deviations deviations;
  std::string replay = kReplay;  ///< the strategy that replays `deviations`
  std::string schedule;          ///< the text that `detent replay` takes
  std::string report;            ///< the kernel's report as it came, JSON; empty if there is none
  std::string output;            ///< the guest's stdout, where it was kept
  std::string errors;            ///< the guest's stderr, where it was kept
  std::string complaint;         ///< for kBroken and kDivergence: what detent said
};

/// What a person calls it: "deadlock", "exit status 3", "signal 6 (SIGABRT)".
std::string describe(const Outcome& outcome);

/// Two runs of one plan must agree in this: trace hash, verdict and status.
bool same_run(const Outcome& a, const Outcome& b);

/// Fills `outcome` from the kernel's report. The guest may have scribbled on it: false if it is not such
/// a report, and `outcome` is then unchanged.
bool read_report(std::string_view json, Outcome& outcome);

/// Fills verdict, status and signal from a wait status, for a run without a report.
void read_wait_status(int wait_status, Outcome& outcome);

}  // namespace detent::explore

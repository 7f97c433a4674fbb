// Options of `detent run` as text, and what they mean.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>

#include "cli/scenario.h"
#include "detent/config.h"

namespace detent::cli {

struct RunOptions {
  std::string time;         ///< empty: virtual for a chosen schedule, else real
  std::string strategy;     ///< empty: fifo
  std::string seed;         ///< empty: 0
  std::string random_seed;  ///< empty: the seed
  std::string points;       ///< empty: as the strategy or schedule says
  std::string schedule;
  std::string report;
  std::string latency_json;
  std::string time_budget;
  std::string profile;
  std::uint64_t livelock = 0;
  std::uint64_t max_steps = 0;
  int server = -1;
  bool faults = false;
  bool report_stacks = false;
  bool latency = false;
  std::string syscall_cost = "1us";
  std::string io_grace = "1ms";
  std::string patch = "on";
  std::string patch_skip;
  std::string idle = "block";
  std::string strace;  ///< empty: off; "-": stderr; else a file
  bool strace_deterministic = false;
  bool stats = false;
  bool wait_on_deadlock = false;
  int verbose = 0;
  ScenarioOptions scenario;
};

void add_run_options(CLI::App& command, RunOptions& options);

/// False, with what was wrong and what is expected in `problem`, if a value makes no sense.
bool make_config(const RunOptions& options, emu::Config& config, std::string& problem);

/// "250ns", "1us", "1.5ms", "3s", "2h": a span of time; false if it is not one.
bool parse_duration(const std::string& text, std::int64_t& ns);

/// `detent doctor`: prints what the host offers; 0 if detent can run here.
int doctor();

}  // namespace detent::cli

// What a user does to the guest's clocks: --epoch, --step, --slew, --suspend, --scenario FILE. Syntax and
// meaning are in docs/scenario.md.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "detent/config.h"

namespace detent::cli {

struct ScenarioOptions {
  std::string epoch;
  std::vector<std::string> steps;
  std::vector<std::string> slews;
  std::vector<std::string> suspends;
  std::vector<std::string> files;
};

void add_scenario_options(CLI::App& command, ScenarioOptions& options);

/// Fills in `config`'s epoch and `events`. False if something is malformed; then `problem` says where
/// (option or file, line, column), what was found and what was expected.
bool read_scenario(const ScenarioOptions& options, emu::Config& config, TimeEvents& events,
                   std::string& problem);

}  // namespace detent::cli

// `detent explore`, `replay`, `shrink`, `verify`, `explain` and `merge`.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <vector>

namespace detent::cli {

struct ExploreOptions {
  // What to run, and how.
  std::string strategy = "auto";
  std::string points;  ///< empty: what `strategy` says
  std::uint64_t seed = 0;
  std::uint64_t count = 0;  ///< 0: the command's default
  int jobs = 0;             ///< 0: one a processor
  std::string time_budget, virtual_budget, timeout = "10s";
  std::uint64_t max_steps = 2'000'000;  ///< of one run; 0: without limit
  std::vector<std::string> fail_if, pass_if;
  std::vector<std::string> run_options;
  bool until_failure = false;
  bool no_shrink = false;
  bool no_fork_server = false;
  std::string shard;
  std::uint64_t samples = 50;
  std::string exit_code = "verdict";
  // Where the results go.
  std::string json, junit, sarif, out;
  bool github = false;
  bool quiet = false;
  // Of replay, shrink and explain: the schedule; of merge: the files.
  std::string schedule;
  std::vector<std::string> files;
};

/// One of the commands above. They live as long as the application that parses them.
struct ExploreCommands {
  ExploreOptions options;
  CLI::App* explore = nullptr;
  CLI::App* replay = nullptr;
  CLI::App* shrink = nullptr;
  CLI::App* verify = nullptr;
  CLI::App* explain = nullptr;
  CLI::App* merge = nullptr;

  void add_to(CLI::App& app);
  /// True if one of them was given.
  [[nodiscard]] bool parsed() const;
  /// Runs it. `guest` is what follows "--". The exit status.
  int run(const std::vector<std::string>& guest);
};

}  // namespace detent::cli

// `detent run --latency` and `detent latency`: how long woken tasks waited to run.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace detent::cli {

struct LatencyCommand {
  std::string file, other;
  CLI::App* latency = nullptr;

  void add_to(CLI::App& app);
  [[nodiscard]] bool parsed() const { return latency->parsed(); }
  /// Prints one file of --latency-json, or compares two. The exit status.
  int run() const;
};

/// `detent run` with the options `ours` less "--latency", as a child; then what it measured, on stderr. The
/// guest's exit status, 128 + n if a signal ended it.
int run_with_latency(std::vector<std::string> ours, const std::vector<std::string>& guest);

}  // namespace detent::cli

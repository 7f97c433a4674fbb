// `detent bench`: guests that print figures, run natively and under detent, interleaved.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace detent::cli {

struct BenchCommand {
  std::vector<std::string> only;
  std::vector<std::string> under;  ///< NAME=COMMAND: further subjects
  std::string guests, json, plot;
  int rounds = 5;
  bool quick = false, no_pin = false, list = false;
  CLI::App* bench = nullptr;

  void add_to(CLI::App& app);
  [[nodiscard]] bool parsed() const { return bench->parsed(); }
  /// The exit status: nonzero if something could not be measured, never because it was slow.
  int run();
};

}  // namespace detent::cli

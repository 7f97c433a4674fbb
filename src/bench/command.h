// Runs a command and keeps what it prints.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace detent::bench {

struct Ran {
  std::string output;    ///< its stdout
  std::int64_t wall_ns;  ///< host time from spawn to reaping
  std::string problem;   ///< why there is no result to use; empty if it ended with status 0
};

/// `command[0]` is looked up in PATH; stdin is /dev/null and stderr is ours. It is killed with its process
/// group after `timeout_s` seconds.
Ran run_command(const std::vector<std::string>& command, int timeout_s);

}  // namespace detent::bench

// What a benchmark's reader must know of the machine.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace detent::bench {

/// (what, value) pairs from /proc, /sys and uname(2): processor, cores, kernel, clock source, load, date...
/// What cannot be read is left out.
std::vector<std::pair<std::string, std::string>> machine_facts();

}  // namespace detent::bench

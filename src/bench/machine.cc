#include "bench/machine.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/utsname.h>

#include <ctime>
#include <fstream>
#include <thread>

namespace detent::bench {
namespace {

std::string first_line(const char* path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// What stands behind "name<spaces>:" in /proc/cpuinfo, of the first processor.
std::string cpu_line(const std::string& name) {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const std::size_t colon = line.find(':');
    if (line.starts_with(name) && colon != std::string::npos && colon + 2 <= line.size()) {
      return line.substr(colon + 2);
    }
  }
  return "";
}

std::string kernel() {
  utsname names{};
  return uname(&names) == 0 ? fmt::format("{} {}", names.sysname, names.release) : "";
}

}  // namespace

std::vector<std::pair<std::string, std::string>> machine_facts() {
  const std::vector<std::pair<std::string, std::string>> all = {
      {"date", fmt::format("{:%Y-%m-%d %H:%M} UTC", fmt::gmtime(std::time(nullptr)))},
      {"processor", cpu_line("model name")},
      {"microcode", cpu_line("microcode")},
      {"cores", std::to_string(std::thread::hardware_concurrency())},
      {"kernel", kernel()},
      {"clock source",
       first_line("/sys/devices/system/clocksource/clocksource0/current_clocksource")},
      {"governor", first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")},
      {"hypervisor", first_line("/sys/hypervisor/type")},
      {"load before", first_line("/proc/loadavg")},
  };
  std::vector<std::pair<std::string, std::string>> known;
  for (const auto& fact : all) {
    if (!fact.second.empty()) known.push_back(fact);
  }
  return known;
}

}  // namespace detent::bench

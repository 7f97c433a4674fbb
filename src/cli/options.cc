#include "cli/options.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>
#include <utility>

#include "emu/arch/x86_64/kernel_fds.h"

namespace detent::cli {
namespace {

bool parse_time_mode(const std::string& text, emu::Config& config, std::string& problem) {
  if (text == "real") {
    config.time = emu::TimeMode::kReal;
  } else if (text == "virtual") {
    config.time = emu::TimeMode::kVirtual;
  } else if (text.starts_with("scaled:")) {
    const char* begin = text.data() + 7;
    const char* end = text.data() + text.size();
    const auto parsed = std::from_chars(begin, end, config.scale);
    const bool sane = parsed.ec == std::errc() && parsed.ptr == end && std::isfinite(config.scale);
    if (!sane || config.scale < 1e-3 || config.scale > 1e6) {
      problem = fmt::format("--time={}: expected scaled:K with K from 0.001 to 1000000", text);
      return false;
    }
    config.time = emu::TimeMode::kScaled;
  } else {
    problem = fmt::format("--time={}: expected real, virtual or scaled:K", text);
    return false;
  }
  return true;
}

bool parse_seed(const std::string& text, std::uint64_t& seed) {
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, seed);
  return parsed.ec == std::errc() && parsed.ptr == end;
}

bool open_trace(const std::string& path, emu::Config& config, std::string& problem) {
  config.strace = true;
  if (path == "-") return true;
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0666);
  if (fd < 0) {
    problem = fmt::format("--strace={}: {}", path, std::strerror(errno));
    return false;
  }
  const Result<int> high = arch::to_kernel_fd(fd);
  if (!high.ok()) {
    problem = "no room for the trace file above RLIMIT_NOFILE";
    return false;
  }
  config.trace_fd = high.value();
  return true;
}

}  // namespace

void add_run_options(CLI::App& command, RunOptions& options) {
  command.add_option("--time", options.time,
                     "real (default), virtual, or scaled:K (K times as fast)");
  command.add_option("--strategy", options.strategy,
                     "who runs next: fifo (default, Linux's order) or random");
  command.add_option("--seed", options.seed,
                     "seed of every choice and of the guest's random bytes");
  command.add_option("--syscall-cost", options.syscall_cost,
                     "virtual time that one system call takes (default 1us)");
  command.add_option(
      "--io-grace", options.io_grace,
      "host time that virtual time leaves to host fds before it jumps (default 1ms)");
  command.add_option("--strace", options.strace, "print every system call to stderr, or to FILE")
      ->expected(0, 1)
      ->default_str("-");
  command.add_flag("--strace-deterministic", options.strace_deterministic,
                   "no addresses and ids: traces of one seed are equal byte for byte");
  command.add_flag("--stats", options.stats,
                   "print counts of calls, switches and timers at the end");
  command.add_flag("--wait-on-deadlock", options.wait_on_deadlock,
                   "wait for an outside signal where every task is stuck, instead of reporting it");
  command.add_flag("-v,--verbose", options.verbose, "warn of system calls answered with ENOSYS");
}

bool parse_duration(const std::string& text, std::int64_t& ns) {
  static constexpr std::pair<const char*, double> kUnits[] = {
      {"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}};
  double value = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value);
  if (parsed.ec != std::errc() || !std::isfinite(value) || value < 0) return false;
  for (const auto& [unit, scale] : kUnits) {
    if (std::string(parsed.ptr, end) != unit) continue;
    const double result = value * scale;
    if (result > 9e18) return false;
    ns = std::llround(result);
    return true;
  }
  return false;
}

bool make_config(const RunOptions& options, emu::Config& config, std::string& problem) {
  if (!parse_time_mode(options.time, config, problem)) return false;
  if (options.strategy != "fifo" && options.strategy != "random") {
    problem = fmt::format("--strategy={}: expected fifo or random", options.strategy);
    return false;
  }
  options.strategy.copy(config.strategy, sizeof(config.strategy) - 1);
  config.strategy[options.strategy.size()] = '\0';
  if (!parse_seed(options.seed, config.seed)) {
    problem = fmt::format("--seed={}: expected a number from 0 to 2^64-1", options.seed);
    return false;
  }
  if (!parse_duration(options.syscall_cost, config.syscall_cost_ns)) {
    problem =
        fmt::format("--syscall-cost={}: expected a span like 100ns or 1us", options.syscall_cost);
    return false;
  }
  if (!parse_duration(options.io_grace, config.io_grace_ns)) {
    problem = fmt::format("--io-grace={}: expected a span like 1ms", options.io_grace);
    return false;
  }
  config.strace_deterministic = options.strace_deterministic;
  config.stats = options.stats;
  config.wait_on_deadlock = options.wait_on_deadlock;
  config.log_level = options.verbose;
  if (options.strace_deterministic || !options.strace.empty()) {
    return open_trace(options.strace.empty() ? "-" : options.strace, config, problem);
  }
  return true;
}

}  // namespace detent::cli

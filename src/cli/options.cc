#include "cli/options.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>
#include <utility>

#include "cli/profile.h"
#include "emu/arch/x86_64/kernel_fds.h"
#include "emu/process/boot.h"
#include "emu/trace/schedule.h"

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

bool parse_idle(const std::string& text, emu::Config& config, std::string& problem) {
  static constexpr std::pair<const char*, emu::IdleMode> kModes[] = {
      {"block", emu::IdleMode::kBlock},
      {"spin", emu::IdleMode::kSpin},
      {"adaptive", emu::IdleMode::kAdaptive}};
  const auto* mode = std::ranges::find(kModes, text, [](const auto& m) { return m.first; });
  if (mode == std::end(kModes)) {
    problem = fmt::format("--idle={}: expected block, spin or adaptive", text);
    return false;
  }
  config.idle = mode->second;
  return true;
}

bool parse_patch(const RunOptions& options, emu::Config& config, std::string& problem) {
  static constexpr std::pair<const char*, emu::PatchMode> kModes[] = {
      {"on", emu::PatchMode::kOn},
      {"off", emu::PatchMode::kOff},
      {"random", emu::PatchMode::kRandom}};
  const auto* mode =
      std::ranges::find(kModes, options.patch, [](const auto& m) { return m.first; });
  if (mode == std::end(kModes)) {
    problem = fmt::format("--patch={}: expected on, off or random", options.patch);
    return false;
  }
  config.patch = mode->second;
  if (options.patch_skip.size() >= sizeof(config.patch_skip)) {
    problem = fmt::format("--patch-skip: more than {} characters", sizeof(config.patch_skip) - 1);
    return false;
  }
  options.patch_skip.copy(config.patch_skip, sizeof(config.patch_skip) - 1);
  return true;
}

}  // namespace

void add_run_options(CLI::App& command, RunOptions& options) {
  command.add_option(
      "--time", options.time,
      "real (default), virtual (default with a strategy or schedule), or scaled:K (K "
      "times as fast)");
  command.add_option("--strategy", options.strategy,
                     fmt::format("answers what Linux leaves open: {}", trace::kStrategyNames));
  command.add_option("--points", options.points,
                     "where a strategy may preempt: calls (default), or atomics: also before "
                     "atomic instructions");
  command.add_option("--seed", options.seed,
                     "seed of every choice and of the guest's random bytes");
  command.add_option("--random-seed", options.random_seed,
                     "seed of the guest's random bytes, if not that of the choices");
  command.add_option("--schedule", options.schedule, "a schedule as a report prints it: x1...");
  command.add_option("--report", options.report, "write what happened to FILE, as JSON");
  command.add_flag("--latency", options.latency,
                   "at the end, tell how long woken tasks waited to run, by what they waited for");
  command.add_option("--latency-json", options.latency_json,
                     "write the same to FILE, for `detent latency FILE [OTHER]`");
  command.add_flag("--report-stacks", options.report_stacks,
                   "the report has pieces of the stacks of tasks");
  command.add_option("--profile", options.profile,
                     "a report of a run without a strategy: what pct, period and surw may expect");
  command.add_option(
      "--livelock", options.livelock,
      "give up, with exit code 121, after N system calls in a row that only wait, ask or "
      "signal, while time stands still");
  command.add_option("--max-steps", options.max_steps,
                     "give up, with exit code 124, after so many system calls");
  command.add_flag("--faults", options.faults,
                   "a strategy may let memory, descriptors and threads run out");
  command.add_option("--server", options.server, "socket of a fork server (docs/schedules.md)")
      ->group("");
  command.add_option("--time-budget", options.time_budget,
                     "give up, with exit code 124, after this span of the guest's time");
  command.add_option("--syscall-cost", options.syscall_cost,
                     "virtual time that one system call takes (default 1us)");
  command.add_option(
      "--io-grace", options.io_grace,
      "host time that virtual time leaves to host fds before it jumps (default 1ms)");
  command.add_option(
      "--patch", options.patch,
      "system call sites become jumps: on (default), off, or random (each by the seed)");
  command.add_option("--patch-skip", options.patch_skip,
                     "files whose text stays as it is: names or paths, with commas");
  command.add_option("--idle", options.idle,
                     "what to do in real time while nothing can run: block (default, uses no "
                     "processor), spin (least late), or adaptive (spins shortly before a timer)");
  command.add_option("--strace", options.strace, "print every system call to stderr, or to FILE")
      ->expected(0, 1)
      ->default_str("-");
  command.add_flag("--strace-deterministic", options.strace_deterministic,
                   "no addresses and ids: traces of one seed are equal byte for byte");
  command.add_flag("--stats", options.stats,
                   "print counts of calls, switches and timers at the end");
  command.add_flag("--wait-on-deadlock", options.wait_on_deadlock,
                   "wait for an outside signal where every task is stuck, instead of reporting it");
  add_scenario_options(command, options.scenario);
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

namespace {

// A kernel fd on a fresh file at `path`, or -1 with `problem` set.
int open_output(const char* option, const std::string& path, int flags, std::string& problem) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | flags, 0666);
  if (fd < 0) {
    problem = fmt::format("{}={}: {}", option, path, std::strerror(errno));
    return -1;
  }
  const Result<int> high = arch::to_kernel_fd(fd);
  if (high.ok()) return high.value();
  problem = fmt::format("no room for the file of {} above RLIMIT_NOFILE", option);
  return -1;
}

bool open_trace(const std::string& path, emu::Config& config, std::string& problem) {
  config.strace = true;
  if (path == "-") return true;
  config.trace_fd = open_output("--strace", path, O_APPEND, problem);
  return config.trace_fd >= 0;
}

bool read_schedule(const RunOptions& options, trace::Schedule& schedule, std::string& problem) {
  if (options.schedule.empty()) return true;
  if (!options.strategy.empty() || !options.seed.empty() || !options.points.empty()) {
    problem = "--schedule holds a strategy, its points and a seed: give it alone";
    return false;
  }
  Result<trace::Schedule> parsed = trace::from_text(options.schedule);
  if (parsed.ok()) {
    schedule = std::move(parsed).value();
    return true;
  }
  problem = parsed.error() == Errno{EINVAL}
                ? "--schedule: expected a schedule string, which starts with x1"
                : "--schedule: the checksum is wrong: a character is missing or mistyped";
  return false;
}

bool set_strategy(const RunOptions& options, trace::Schedule& schedule, std::string& problem) {
  if (options.strategy.empty()) return true;
  const Result<trace::StrategyName> parsed = trace::parse_strategy(options.strategy);
  if (parsed.ok()) {
    schedule.strategy = parsed.value();
    return true;
  }
  problem = fmt::format("--strategy={}: expected {}", options.strategy, trace::kStrategyNames);
  return false;
}

bool set_points(const RunOptions& options, trace::Schedule& schedule, emu::Config& config,
                std::string& problem) {
  if (!options.points.empty()) {
    const Result<trace::Points> parsed = trace::parse_points(options.points);
    if (!parsed.ok()) {
      problem = fmt::format("--points={}: expected calls or atomics", options.points);
      return false;
    }
    schedule.strategy.points = parsed.value();
  }
  config.points = schedule.strategy.points == trace::Points::kAtomics;
  return true;
}

bool set_seed(const char* option, const std::string& text, std::uint64_t& seed,
              std::string& problem) {
  if (text.empty() || parse_seed(text, seed)) return true;
  problem = fmt::format("{}={}: expected a number from 0 to 2^64-1", option, text);
  return false;
}

bool keep_schedule(const trace::Schedule& schedule, emu::Config& config, std::string& problem) {
  const std::string name = trace::to_string(schedule.strategy);
  config.strategy[name.copy(config.strategy, sizeof(config.strategy) - 1)] = '\0';
  config.seed = schedule.seed;
  config.build_tag = schedule.build_tag;
  if (schedule.strategy.kind != trace::StrategyKind::kReplay) return true;
  const Result<int> fd = process::make_kept_file("detent-schedule", trace::to_bytes(schedule));
  if (!fd.ok()) {
    problem = "no room for the schedule above RLIMIT_NOFILE";
    return false;
  }
  config.schedule_fd = fd.value();
  return true;
}

bool set_schedule(const RunOptions& options, emu::Config& config, std::string& problem) {
  trace::Schedule schedule;
  if (!read_schedule(options, schedule, problem)) return false;
  if (!set_strategy(options, schedule, problem)) return false;
  if (!set_points(options, schedule, config, problem)) return false;
  if (!set_seed("--seed", options.seed, schedule.seed, problem)) return false;
  if (!keep_schedule(schedule, config, problem)) return false;
  config.random_seed = config.seed;
  if (!set_seed("--random-seed", options.random_seed, config.random_seed, problem)) return false;
  // A chosen order repeats only where time does.
  if (options.time.empty() && schedule.strategy.kind != trace::StrategyKind::kFifo) {
    config.time = emu::TimeMode::kVirtual;
  }
  return true;
}

bool set_span(const char* option, const std::string& text, std::int64_t& ns, std::string& problem) {
  if (text.empty() || parse_duration(text, ns)) return true;
  problem = fmt::format("{}={}: expected a span like 100ns, 1ms or 60s", option, text);
  return false;
}

bool set_server(const RunOptions& options, emu::Config& config, std::string& problem) {
  if (options.server < 0) return true;
  if (fcntl(options.server, F_GETFD) < 0) {
    problem = fmt::format("--server={}: not an open file descriptor", options.server);
    return false;
  }
  const Result<int> high = arch::to_kernel_fd(options.server);
  if (!high.ok()) {
    problem = "no room for the server's socket above RLIMIT_NOFILE";
    return false;
  }
  config.server_fd = high.value();
  if (options.time.empty()) config.time = emu::TimeMode::kVirtual;
  return true;
}

bool set_profile(const RunOptions& options, emu::Config& config, std::string& problem) {
  if (options.profile.empty()) return true;
  trace::Profile profile;
  if (!read_profile(options.profile, profile, problem)) return false;
  const Result<int> fd = process::make_kept_file("detent-profile", trace::to_bytes(profile));
  if (!fd.ok()) {
    problem = "no room for the profile above RLIMIT_NOFILE";
    return false;
  }
  config.profile_fd = fd.value();
  return true;
}

}  // namespace

bool make_config(const RunOptions& options, emu::Config& config, std::string& problem) {
  if (!options.time.empty() && !parse_time_mode(options.time, config, problem)) return false;
  if (!set_schedule(options, config, problem)) return false;
  if (!set_span("--syscall-cost", options.syscall_cost, config.syscall_cost_ns, problem) ||
      !set_span("--io-grace", options.io_grace, config.io_grace_ns, problem) ||
      !set_span("--time-budget", options.time_budget, config.time_budget_ns, problem)) {
    return false;
  }
  if (!parse_patch(options, config, problem)) return false;
  if (!parse_idle(options.idle, config, problem)) return false;
  if (!set_server(options, config, problem) || !set_profile(options, config, problem)) return false;
  config.livelock_entries = options.livelock;
  config.max_steps = options.max_steps;
  config.faults = options.faults;
  config.strace_deterministic = options.strace_deterministic;
  config.stats = options.stats;
  config.wait_on_deadlock = options.wait_on_deadlock;
  config.log_level = options.verbose;
  config.json_stacks = options.report_stacks;
  if (!options.report.empty()) {
    config.json_fd = open_output("--report", options.report, 0, problem);
    if (config.json_fd < 0) return false;
  }
  if (!options.latency_json.empty()) {
    config.latency_fd = open_output("--latency-json", options.latency_json, 0, problem);
    if (config.latency_fd < 0) return false;
  }
  if (options.strace_deterministic || !options.strace.empty()) {
    return open_trace(options.strace.empty() ? "-" : options.strace, config, problem);
  }
  return true;
}

}  // namespace detent::cli

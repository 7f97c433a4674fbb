#include "cli/bench.h"

#include <fmt/format.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "bench/machine.h"
#include "bench/measure.h"
#include "bench/reports.h"
#include "cli/run.h"

namespace detent::cli {
namespace {

int usage(const std::string& text) {
  fmt::print(stderr, "detent: {}\nTry 'detent bench --help'.\n", text);
  return kExitUsage;
}

bool is_figure(const std::string& name) {
  return std::ranges::any_of(bench::guests(), [&](const bench::Guest& guest) {
    return std::ranges::any_of(guest.figures, [&](const auto& f) { return name == f.name; });
  });
}

void list_figures() {
  for (const bench::Guest& guest : bench::guests()) {
    for (const bench::Figure& figure : guest.figures) {
      fmt::print("{:<24} {}\n", figure.name, figure.what);
    }
  }
}

// "NAME=COMMAND ARGS", words apart by blanks.
bool parse_subject(const std::string& text, bench::Subject& subject) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) return false;
  subject.name = text.substr(0, equals);
  std::istringstream words(text.substr(equals + 1));
  for (std::string word; words >> word;) subject.prefix.push_back(word);
  return !subject.prefix.empty();
}

// All runs go to one processor: native hand-offs across two cost ten times as much.
int pin_to_last_processor() {
  cpu_set_t mine;
  if (sched_getaffinity(0, sizeof(mine), &mine) != 0) return -1;
  int cpu = CPU_SETSIZE - 1;
  while (cpu >= 0 && !CPU_ISSET(cpu, &mine)) --cpu;
  if (cpu < 0) return -1;
  CPU_ZERO(&mine);
  CPU_SET(cpu, &mine);
  return sched_setaffinity(0, sizeof(mine), &mine) == 0 ? cpu : -1;
}

bool write_file(const std::string& path, const std::string& text) {
  if (path.empty()) return true;
  std::ofstream file(path, std::ios::trunc);
  file << text;
  file.close();
  if (!file) fmt::print(stderr, "detent: cannot write {}: {}\n", path, strerrordesc_np(errno));
  return static_cast<bool>(file);
}

void show_progress(const std::string& what) {
  if (isatty(STDERR_FILENO) != 0) fmt::print(stderr, "\r\x1b[K{}", what);
}

}  // namespace

void BenchCommand::add_to(CLI::App& app) {
  bench = app.add_subcommand("bench", "measure detent against native runs, interleaved");
  bench->add_option("--only", only, "these figures only (see --list)")->delimiter(',');
  bench->add_option("--rounds", rounds, "how often each guest runs, in turns")
      ->check(CLI::Range(1, 1000));
  bench
      ->add_option("--under", under,
                   "NAME=COMMAND: measure under this as well, such as qemu=qemu-x86_64")
      ->allow_extra_args(false);
  bench->add_option("--guests", guests,
                    "directory of the guests; default: tests/bench beside detent");
  bench->add_option("--json", json, "write all figures to this file");
  bench->add_option("--plot", plot, "draw them into this SVG file");
  bench->add_flag("--quick", quick, "tiny counts, one round: does it run at all?");
  bench->add_flag("--no-pin", no_pin, "leave the processor to the host's scheduler");
  bench->add_flag("--list", list, "list the figures");
}

int BenchCommand::run() {
  if (list) {
    list_figures();
    return 0;
  }
  bench::Settings settings;
  settings.detent = std::filesystem::read_symlink("/proc/self/exe");
  settings.guests = guests.empty()
                        ? std::filesystem::path(settings.detent).parent_path() / "tests/bench"
                        : std::filesystem::path(guests);
  if (!std::filesystem::exists(settings.guests + "/bench-calls")) {
    return usage(
        fmt::format("no benchmark guests in {}: build them (./dev build), or name their "
                    "directory with --guests",
                    settings.guests));
  }
  const auto unknown = std::ranges::find_if_not(only, is_figure);
  if (unknown != only.end()) return usage(fmt::format("--only={}: no such figure", *unknown));
  for (const std::string& text : under) {
    if (!parse_subject(text, settings.others.emplace_back())) {
      return usage(fmt::format("--under={}: expected NAME=COMMAND", text));
    }
  }
  settings.only = only;
  settings.quick = quick;
  settings.rounds = quick ? 1 : rounds;
  const bench::MachineFacts facts = bench::machine_facts();
  for (const auto& [what, value] : facts) fmt::print("{}: {}\n", what, value);
  const int cpu = no_pin ? -1 : pin_to_last_processor();
  fmt::print("{} rounds in turns, {}\n\n", settings.rounds,
             cpu < 0 ? "not pinned" : fmt::format("all on processor {}", cpu));
  std::fflush(stdout);
  const bench::Report report = bench::measure(settings, show_progress);
  show_progress("");
  fmt::print("{}", bench::to_text(report));
  const bool written = write_file(json, bench::to_json(report, facts)) &&
                       write_file(plot, bench::to_svg(report, facts));
  return written && report.problems.empty() ? 0 : 1;
}

}  // namespace detent::cli

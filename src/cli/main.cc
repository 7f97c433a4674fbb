// detent: command line and composition root.
#include <sys/syscall.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstring>

#include "cli/bench.h"
#include "cli/boot.h"
#include "cli/explore.h"
#include "cli/latency.h"
#include "cli/options.h"
#include "cli/run.h"
#include "syscalls/print_table.h"

namespace {

using namespace detent;

// Splits at the first "--": before it our options, behind it the guest's command, untouched.
struct CommandLine {
  std::vector<std::string> ours;
  std::vector<std::string> guest;
  bool separated = false;
};

CommandLine split(int argc, char** argv) {
  CommandLine line;
  for (int i = 1; i < argc; ++i) {
    if (!line.separated && std::strcmp(argv[i], "--") == 0) {
      line.separated = true;
    } else {
      (line.separated ? line.guest : line.ours).emplace_back(argv[i]);
    }
  }
  return line;
}

int usage_error(const std::string& text) {
  std::fprintf(stderr, "detent: %s\nTry 'detent --help' or 'detent run --help'.\n", text.c_str());
  return cli::kExitUsage;
}

int run(const cli::RunOptions& options, const CommandLine& line) {
  if (!line.separated || line.guest.empty()) {
    return usage_error("expected a program: detent run [options] -- PROG [ARGS...]");
  }
  if (line.guest.front().empty()) return usage_error("the program's name is empty");
  emu::Config config;
  std::string problem;
  TimeEvents events;
  const bool sane = cli::make_config(options, config, problem) &&
                    cli::read_scenario(options.scenario, config, events, problem);
  if (!sane) return usage_error(problem);
  if (options.latency) return cli::run_with_latency(line.ours, line.guest);
  return cli::run_guest(config, events, line.guest);
}

int command_line(int argc, char** argv) {
  CommandLine line = split(argc, argv);
  CLI::App app{"Run an unmodified Linux program on a small kernel inside its own process.",
               "detent"};
  app.set_version_flag("--version", "detent 0.1.0");
  app.require_subcommand(1);
  cli::RunOptions options;
  CLI::App* run_command =
      app.add_subcommand("run", "run a program: detent run [options] -- PROG ARGS");
  cli::add_run_options(*run_command, options);
  cli::ExploreCommands explore;
  explore.add_to(app);
  cli::BenchCommand bench;
  bench.add_to(app);
  cli::LatencyCommand latency;
  latency.add_to(app);
  CLI::App* table_command = app.add_subcommand("syscalls", "print the table of system calls");
  CLI::App* doctor_command = app.add_subcommand("doctor", "check what this machine offers");
  // CLI11 takes its vector from the back, and takes it away.
  std::vector<std::string> reversed(line.ours.rbegin(), line.ours.rend());
  try {
    app.parse(reversed);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : cli::kExitUsage;
  }
  if (table_command->parsed()) {
    const std::string text = syscalls::table_to_text();
    std::fputs(text.c_str(), stdout);
    return 0;
  }
  if (doctor_command->parsed()) return cli::doctor();
  if (latency.parsed()) return latency.run();
  if (bench.parsed()) return bench.run();
  if (explore.parsed()) return explore.run(line.guest);
  return run(options, line);
}

}  // namespace

int main(int argc, char** argv) {
  detent::process::Booted booted;
  if (detent::process::take_boot_record(argv, booted)) detent::cli::boot_guest(booted);
  return command_line(argc, argv);
}

#include "cli/explore_output.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>

#include "cli/run.h"
#include "explore/guest_process.h"
#include "explore/reports.h"

namespace detent::cli {
namespace {

using namespace detent::explore;

// True if it was written, with a message if not. Renamed into place: a reader never sees half of it.
bool write_file(const std::string& path, const std::string& text) {
  const std::string part = fmt::format("{}.{}.part", path, getpid());
  struct stat status {};
  // A pipe or device (/dev/stdout) is written to directly.
  const bool special = stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode);
  std::ofstream file(special ? path : part, std::ios::binary);
  file << text;
  file.close();
  if (file && (special || std::rename(part.c_str(), path.c_str()) == 0)) return true;
  fmt::print(stderr, "detent: cannot write {}: {}\n", path, strerror(errno));
  if (!special) unlink(part.c_str());
  return false;
}

bool write_failure(const std::string& directory, const Failure& failure, const Results& results) {
  const std::string name = fmt::format("{}/failure-{}", directory, short_hash(failure.key));
  const std::string text = fmt::format("{}\n{}\nreplay: {}\n", failure.why, failure.story,
                                       replay_line(failure, results.program));
  bool good = write_file(name + ".txt", text);
  const Outcome& outcome = failure.outcome;
  if (!outcome.report.empty()) good &= write_file(name + ".report.json", outcome.report);
  if (!outcome.output.empty()) good &= write_file(name + ".stdout", outcome.output);
  if (!outcome.errors.empty()) good &= write_file(name + ".stderr", outcome.errors);
  return good;
}

bool write_directory(const std::string& directory, const Results& results) {
  if (mkdir(directory.c_str(), 0777) != 0 && errno != EEXIST) {
    fmt::print(stderr, "detent: cannot make {}: {}\n", directory, strerror(errno));
    return false;
  }
  bool good = write_file(directory + "/report.txt", terminal_report(results));
  good &= write_file(directory + "/results.json", to_json(results));
  for (const Failure& failure : results.found.failures) {
    good &= write_failure(directory, failure, results);
  }
  return good;
}

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

// Bazel wants to see that a sharded test knows of shards, and where its files are.
struct Places {
  std::string junit, out;
  bool github;
};
Places places(const ExploreOptions& options) {
  const std::string status_file = variable("TEST_SHARD_STATUS_FILE");
  if (!status_file.empty()) std::ofstream(status_file) << "";
  Places result{options.junit, options.out, options.github};
  if (result.junit.empty()) result.junit = variable("XML_OUTPUT_FILE");
  if (result.out.empty()) result.out = variable("TEST_UNDECLARED_OUTPUTS_DIR");
  return result;
}

}  // namespace

ProgressBar::ProgressBar(bool quiet) : on_(!quiet && isatty(STDERR_FILENO) == 1) {}

void ProgressBar::show(const Progress& progress) {
  constexpr std::int64_t kEvery = 100'000'000;
  if (!on_ || progress.elapsed_ns < next_ns_) return;
  next_ns_ = progress.elapsed_ns + kEvery;
  shown_ = true;
  fmt::print(stderr, "\r\x1b[K{}", progress_line(progress));
}

void ProgressBar::clear() {
  if (shown_) fmt::print(stderr, "\r\x1b[K");
  shown_ = false;
}

int publish(const Results& results, const ExploreOptions& options) {
  const Places where = places(options);
  const std::string report = terminal_report(results);
  std::fputs(report.c_str(), stdout);
  if (where.github) std::fputs(github_report(results).c_str(), stdout);
  bool good = true;
  if (!options.json.empty()) good &= write_file(options.json, to_json(results));
  if (!where.junit.empty()) good &= write_file(where.junit, junit_report(results));
  if (!options.sarif.empty()) good &= write_file(options.sarif, sarif_report(results));
  if (!where.out.empty()) good &= write_directory(where.out, results);
  const int status = exit_status(results);
  return status == kExitClean && !good ? kExitUsage : status;
}

void pass_on(const Outcome& outcome) {
  std::fwrite(outcome.output.data(), 1, outcome.output.size(), stdout);
  std::fflush(stdout);
  std::fwrite(outcome.errors.data(), 1, outcome.errors.size(), stderr);
}

int guest_status(const Outcome& outcome) {
  return outcome.signal != 0 ? 128 + outcome.signal : outcome.status;
}

std::string read_file(const std::string& path, std::string& problem) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    problem = strerror(errno);
    return "";
  }
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

}  // namespace detent::cli

#include "cli/latency.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>

#include "cli/run.h"
#include "explore/kernel_report.h"
#include "explore/symbols.h"

namespace detent::cli {
namespace {

using namespace detent::explore;

/// Distributions by "call at place".
using Latencies = std::map<std::string, Histogram>;

constexpr std::pair<const char*, double> kShown[] = {
    {"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}, {"max", 1}};

int usage(const std::string& text) {
  fmt::print(stderr, "detent: {}\nTry 'detent latency --help'.\n", text);
  return kExitUsage;
}

std::string place_of(const ReportedLatency& object, const Symbols& symbols) {
  if (!object.place) return "";
  const std::vector<Frame> frames = symbols.unwind(*object.place);
  const Frame* own = own_frame(frames);
  if (own != nullptr) return frame_text(*own);
  return frames.empty() ? "" : frame_text(frames.back());
}

bool read_latencies(const std::string& path, Latencies& latencies) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  const auto report = read_latency_report(text.str());
  if (!file || !report) return false;
  const Symbols symbols(report->modules);
  for (const ReportedLatency& object : report->objects) {
    const std::string place = place_of(object, symbols);
    latencies[place.empty() ? object.what : fmt::format("{} ({})", object.what, place)].add(
        object.latencies);
  }
  return true;
}

// The busiest first.
std::vector<std::string> names_of(const Latencies& latencies) {
  std::vector<std::string> names;
  for (const auto& [name, all] : latencies) names.push_back(name);
  std::ranges::stable_sort(names, std::greater(),
                           [&](const auto& name) { return latencies.at(name).count(); });
  return names;
}

std::string table_of(const Latencies& latencies) {
  std::string text = fmt::format("{:>9}", "wakes");
  for (const auto& [name, share] : kShown) text += fmt::format(" {:>11}", name);
  text += "  ns from woken to running\n";
  for (const std::string& name : names_of(latencies)) {
    const Histogram& all = latencies.at(name);
    text += fmt::format("{:>9}", all.count());
    for (const auto& shown : kShown) text += fmt::format(" {:>11.0f}", all.quantile(shown.second));
    text += "  " + name + "\n";
  }
  return text;
}

// In virtual time latencies may be 0, to which a ratio should not be infinite.
double ratio(double second, double first) {
  constexpr double kLeast = 1e-3;
  return std::max(second, kLeast) / std::max(first, kLeast);
}

// Each percentile of the second file over that of the first: below 1, the second is quicker.
std::string comparison_of(const Latencies& before, const Latencies& after) {
  std::string text = fmt::format("{:>9} {:>9}", "wakes", "then");
  for (const auto& [name, share] : kShown) text += fmt::format(" {:>8}", name);
  text += "  second over first\n";
  for (const std::string& name : names_of(before)) {
    const auto found = after.find(name);
    if (found == after.end()) continue;
    const Histogram& first = before.at(name);
    text += fmt::format("{:>9} {:>9}", first.count(), found->second.count());
    for (const auto& [shown, share] : kShown) {
      text += fmt::format(" {:>8.2f}", ratio(found->second.quantile(share), first.quantile(share)));
    }
    text += "  " + name + "\n";
  }
  for (const auto& [name, all] : before) {
    if (!after.contains(name)) text += "only in the first: " + name + "\n";
  }
  for (const auto& [name, all] : after) {
    if (!before.contains(name)) text += "only in the second: " + name + "\n";
  }
  return text;
}

// A file that is gone with this object.
class TemporaryFile {
 public:
  TemporaryFile() {
    const int fd = mkstemp(path_.data());
    if (fd >= 0) close(fd);
  }
  ~TemporaryFile() { unlink(path_.c_str()); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_ = "/tmp/detent-latency-XXXXXX";
};

// Stays in our process group, so that the terminal is the child's too.
pid_t start(const std::vector<std::string>& words) {
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    execv("/proc/self/exe", arguments.data());
    _exit(kExitCannotRun);
  }
  return child;
}

// A Ctrl-C is for the guest; what it has measured until then is told all the same.
int wait_for(pid_t child) {
  for (const int sig : {SIGINT, SIGQUIT}) std::signal(sig, SIG_IGN);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

void LatencyCommand::add_to(CLI::App& app) {
  latency =
      app.add_subcommand("latency", "print a file of `detent run --latency-json`, or compare two");
  latency->add_option("file", file, "the file")->required();
  latency->add_option("other", other, "what to compare it with");
}

int LatencyCommand::run() const {
  Latencies first;
  Latencies second;
  if (!read_latencies(file, first)) return usage(file + ": not a file of --latency-json");
  if (other.empty()) {
    fmt::print("{}", table_of(first));
    return 0;
  }
  if (!read_latencies(other, second)) return usage(other + ": not a file of --latency-json");
  fmt::print("{}", comparison_of(first, second));
  return 0;
}

int run_with_latency(std::vector<std::string> ours, const std::vector<std::string>& guest) {
  const TemporaryFile file;
  std::erase(ours, "--latency");
  std::vector<std::string> words = {"detent"};
  words.insert(words.end(), ours.begin(), ours.end());
  words.insert(words.end(), {"--latency-json", file.path(), "--"});
  words.insert(words.end(), guest.begin(), guest.end());
  const pid_t child = start(words);
  if (child < 0) return kExitCannotRun;
  const int status = wait_for(child);
  Latencies latencies;
  if (read_latencies(file.path(), latencies)) {
    fmt::print(stderr, "{}", table_of(latencies));
  } else {
    fmt::print(stderr, "detent: the program ended without its latencies\n");
  }
  return status;
}

}  // namespace detent::cli

#include <fmt/format.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include "emu/trace/schedule.h"
#include "explore/guest_process.h"
#include "explore/program.h"
#include "explore/run_files.h"
#include "explore/run_profile.h"
#include "explore/schedule_text.h"

namespace detent::explore {
namespace {

volatile std::sig_atomic_t asked_to_stop = 0;

void on_stop_signal(int sig) { asked_to_stop = sig; }

// A run under way.
struct Slot {
  std::uint64_t ticket = 0;
  bool keep_output = false;
  pid_t pid = -1;
  HostFd process;  // pidfd
  RunFiles files;
  std::int64_t deadline = 0;
  Outcome failed_to_start;
};

class ExecRunner final : public Runner {
 public:
  explicit ExecRunner(Program program) : program_(std::move(program)) { Reaper::instance(); }
  ~ExecRunner() override {
    for (const Slot& slot : slots_) {
      if (slot.pid > 0) Reaper::instance().kill_and_reap(slot.pid);
    }
  }

  [[nodiscard]] int capacity() const override { return program_.jobs; }
  [[nodiscard]] bool stopping() const override { return stop_signal() != 0; }

  void start(std::uint64_t ticket, const Request& request) override {
    Slot slot;
    slot.ticket = ticket;
    slot.keep_output = request.keep_output;
    slot.deadline = host_now_ns() + program_.host_timeout_ns;
    if (slot.files.create()) {
      Spawn spawn;
      spawn.arguments = arguments(request, slot.files.report.get());
      spawn.output = slot.files.output.get();
      spawn.errors = slot.files.errors.get();
      slot.pid = spawn_detent(spawn);
    }
    if (slot.pid < 0) {
      slot.failed_to_start.complaint = fmt::format("cannot start a process: {}", strerror(errno));
    } else {
      slot.process = HostFd(static_cast<int>(syscall(SYS_pidfd_open, slot.pid, 0)));
    }
    slots_.push_back(std::move(slot));
  }

  Finished wait() override {
    for (;;) {
      for (auto slot = slots_.begin(); slot != slots_.end(); ++slot) {
        Finished done;
        if (!finished(*slot, done)) continue;
        slots_.erase(slot);
        return done;
      }
      sleep_until_something_ends();
    }
  }

 private:
  // All runs of a campaign have one profile.
  std::string profile_file(const RunProfile& profile) {
    if (!profile_.valid()) {
      profile_ = HostFd(memfd_create("detent-profile", MFD_CLOEXEC));
      const auto size = static_cast<ssize_t>(profile.text.size());
      if (write(profile_.get(), profile.text.data(), profile.text.size()) != size) profile_.reset();
    }
    return fmt::format("/proc/{}/fd/{}", getpid(), profile_.get());
  }

  std::vector<std::string> arguments(const Request& request, int report) {
    std::vector<std::string> words = {
        "detent", "run", "--time=virtual", "--schedule=" + schedule_text(request.plan),
        // By path, since an open file more would move the numbers of the guest's own.
        fmt::format("--report=/proc/{}/fd/{}", getpid(), report)};
    if (request.plan.text.empty()) {
      words.push_back(fmt::format("--random-seed={}", program_.random_seed));
    }
    if (request.keep_stacks) words.emplace_back("--report-stacks");
    if (program_.virtual_budget_ns > 0) {
      words.push_back(fmt::format("--time-budget={}ns", program_.virtual_budget_ns));
    }
    for (std::string& limit : limits_of(program_)) words.push_back(std::move(limit));
    if (request.profile != nullptr) words.push_back("--profile=" + profile_file(*request.profile));
    words.insert(words.end(), program_.run_options.begin(), program_.run_options.end());
    words.emplace_back("--");
    words.insert(words.end(), program_.command.begin(), program_.command.end());
    return words;
  }

  // True if the run is over, one way or another.
  bool finished(Slot& slot, Finished& done) {
    done.ticket = slot.ticket;
    if (slot.pid < 0) {
      done.outcome = std::move(slot.failed_to_start);
      return true;
    }
    int status = 0;
    if (Reaper::instance().ended(slot.pid, status)) {
      done.outcome = collect(slot.files, status, slot.keep_output);
      return true;
    }
    const bool late = host_now_ns() >= slot.deadline;
    const bool too_big = slot.files.too_big();
    if (!late && !too_big && !stopping()) return false;
    Reaper::instance().kill_and_reap(slot.pid);
    done.interrupted = stopping();
    done.outcome = collect(slot.files, 0, slot.keep_output);
    done.outcome.verdict = too_big ? Verdict::kOutputLimit : Verdict::kHang;
    return true;
  }

  void sleep_until_something_ends() {
    constexpr int kLookAgainMs = 100;  // for outputs that grow, and for stop signals
    std::vector<pollfd> all;
    std::int64_t deadline = host_now_ns() + std::int64_t{kLookAgainMs} * 1'000'000;
    for (const Slot& slot : slots_) {
      all.push_back({slot.process.get(), POLLIN, 0});
      deadline = std::min(deadline, slot.deadline);
    }
    const std::int64_t left = std::max<std::int64_t>(deadline - host_now_ns(), 0);
    poll(all.data(), all.size(), static_cast<int>((left + 999'999) / 1'000'000));
  }

  Program program_;
  HostFd profile_;
  std::vector<Slot> slots_;
};

}  // namespace

std::vector<std::string> limits_of(const Program& program) {
  const auto given = [&](const std::string& option) {
    return std::ranges::any_of(program.run_options,
                               [&](const std::string& word) { return word.starts_with(option); });
  };
  std::vector<std::string> limits;
  if (program.max_steps == 0) return limits;
  if (!given("--max-steps")) limits.push_back(fmt::format("--max-steps={}", program.max_steps));
  // Half of it all without anything done is more than bad luck.
  if (!given("--livelock")) limits.push_back(fmt::format("--livelock={}", program.max_steps / 2));
  return limits;
}

std::unique_ptr<Runner> make_exec_runner(const Program& program) {
  return std::make_unique<ExecRunner>(program);
}

void catch_stop_signals() {
  struct sigaction action {};
  action.sa_handler = on_stop_signal;
  for (const int sig : {SIGINT, SIGTERM, SIGHUP}) sigaction(sig, &action, nullptr);
}

int stop_signal() { return asked_to_stop; }

}  // namespace detent::explore

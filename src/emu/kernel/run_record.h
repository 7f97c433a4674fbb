// RunRecord: what a recorded run leaves behind. It names the objects of events, keeps where both tasks
// stood at each deviation, and writes the report (--report) when the process ends.
//
// Part of the Kernel. Idle unless the chooser is active; then it works for the first process of the run
// only, over its execs, and not for those that it forks.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "emu/task/task.h"
#include "emu/trace/chooser.h"

namespace detent::emu {

class Kernel;

enum class Verdict : std::uint8_t {
  kOk,          ///< exit status 0
  kExit,        ///< another exit status
  kSignal,      ///< died by a signal
  kDeadlock,    ///< every task waits and nothing can wake one
  kLostWakeup,  ///< the same, and the futex word that a task waits for has changed since
  kLivelock,    ///< many system calls, but time stands still
  kTimeBudget,  ///< --time-budget
  kDivergence,  ///< a replayed schedule does not fit
  kStepBudget,  ///< --max-steps
};
/// "ok", "exit", "signal", "deadlock", ... as the report has it.
const char* name_of(Verdict verdict);

/// How a run ended.
struct Outcome {
  Verdict verdict = Verdict::kOk;
  int status = 0;  ///< exit status; 128 + n for signal n
  int signal = 0;
};

class RunRecord final : public trace::ChoiceObserver {
 public:
  explicit RunRecord(Kernel& kernel);

  /// The command line, read from the guest's first stack, whose top this is.
  void set_stack(std::uint64_t stack_pointer);
  /// When the run began, on the guest's monotonic clock.
  [[nodiscard]] std::int64_t start_ns() const { return start_ns_; }
  void set_start(std::int64_t ns) { start_ns_ = ns; }
  /// A new task gets its number.
  void add(Task& task);
  /// `task` is about to make the call in its registers: tells the chooser's candidates what it is.
  void publish(Task& task);
  /// The call was served: notes which open files it made and closed.
  void finished(Task& task);
  /// The name of a word of memory.
  [[nodiscard]] trace::Object memory_object(std::uint64_t address) const;
  /// `task` ends: its events are kept for the report.
  void leave(Task& task);
  /// Writes the report, once; nothing happens without --report.
  void write(const Outcome& outcome);
  /// In a forked child: no report.
  void become_child();
  /// In a copy of the fork server: a report of its own.
  void become_copy(bool brief) {
    writes_ = true;
    brief_ = brief;
  }
  /// The name of the open file behind `fd`, 0 if it has none; true if it is one of the two ends of a pipe or
  /// socket pair.
  [[nodiscard]] std::uint64_t file_name(int fd) const;
  [[nodiscard]] bool is_pair(std::uint64_t name) const { return pairs_.contains(name); }
  /// The object that a blocked task waits for, and who touched it last; null if nobody else did.
  [[nodiscard]] const trace::Chooser::Touch* last_touch(const Task& task) const;

  // trace::ChoiceObserver
  void on_first_choice() override;
  void on_deviation(const trace::Deviation& deviation, std::uint32_t from,
                    std::uint32_t to) override;
  void on_divergence(const trace::Deviation& expected, trace::Choice kind,
                     std::uint32_t options) override;

 private:
  /// Where a task stood, with --report-stacks.
  struct Standing {
    std::uint32_t task = 0;  ///< 0: not known
    std::int32_t call = -1;
    arch::UserRegs regs{};
    std::vector<unsigned char> stack;
  };
  /// A deviation for the report.
  struct Switch {
    trace::Deviation deviation;
    std::int64_t at_ns = 0;
    std::uint64_t events = 0;  ///< of the run so far
    std::uint32_t from_task = 0;
    std::uint32_t to_task = 0;
    Standing from;
    Standing to;
  };
  struct Gone {
    std::uint32_t number = 0;
    std::int32_t id = 0;
    std::string name;
    trace::TaskTrace trace;
  };

  [[nodiscard]] trace::Object object_of(const trace::CallShape& shape, std::uint64_t value) const;
  void name_file(Task& task, long fd);
  void name_pair(Task& task, std::uint64_t address);
  [[nodiscard]] Task* task_of(std::uint32_t number);
  [[nodiscard]] Standing standing(std::uint32_t number);
  [[nodiscard]] std::string to_json(const Outcome& outcome);
  [[nodiscard]] std::string head_json(const Outcome& outcome);
  [[nodiscard]] std::string tasks_json();
  [[nodiscard]] std::string events_json();
  [[nodiscard]] std::string deviations_json() const;
  [[nodiscard]] std::string switches_json() const;
  [[nodiscard]] std::string profile_json() const;

  Kernel& kernel_;
  bool writes_ = false;
  bool brief_ = false;  // the head alone where the run ends well
  std::int64_t start_ns_ = 0;
  std::uint64_t stack_top_ = 0;
  std::vector<std::string> arguments_;
  std::unordered_map<int, std::uint64_t> files_;  // names of open files by fd
  std::unordered_set<std::uint64_t> pairs_;
  std::vector<Switch> switches_;
  std::vector<Gone> gone_;
};

}  // namespace detent::emu

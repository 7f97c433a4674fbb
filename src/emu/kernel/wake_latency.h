// WakeLatency (--latency): how long tasks that were woken, or whose timer expired, waited until they ran; a
// distribution for each futex, eventfd, timerfd... with the place in the program where it was made.
//
// Part of the Kernel. Idle unless a file is asked for; then it works for the first process of the run, and
// after an execve for the new program only.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <unordered_map>

#include "base/histogram.h"
#include "emu/sched/run_observer.h"
#include "emu/task/task.h"

namespace detent::emu {

class Kernel;

class WakeLatency final : public sched::RunObserver {
 public:
  explicit WakeLatency(Kernel& kernel);

  [[nodiscard]] bool active() const { return active_; }
  /// A call of `task` was served: a descriptor that it made is known from now on by where that was.
  void finished(Task& task);
  /// Writes the file, once.
  void write();
  /// In a forked child: no file.
  void become_child() { active_ = false; }

  // sched::RunObserver
  void on_ready(Task& task) override;
  void on_run(Task& task, Duration latency) override;

 private:
  /// One object that tasks waited for.
  struct Entry {
    std::string what;   ///< the call that made it, "futex", or the call that waited
    std::string place;  ///< registers and stack there: members of a JSON object
    Histogram latencies;
  };

  Entry* add(const char* what, const Task& at);
  Entry* waker_entry(const Task& woken);
  Entry& entry_of(const Task& woken);
  [[nodiscard]] std::string to_json() const;

  Kernel& kernel_;
  bool active_;
  std::deque<Entry> entries_;  // never moved: the maps point into it
  std::unordered_map<int, Entry*> files_;
  std::unordered_map<std::uint64_t, Entry*> futexes_;
  std::unordered_map<std::string, Entry*> others_;  // by the call that waits
  std::unordered_map<const Task*, Entry*> ready_;   // woken, not yet running
};

}  // namespace detent::emu

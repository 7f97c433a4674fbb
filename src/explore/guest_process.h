// Host processes that run guests: started in groups of their own, and gone with all their descendants.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace detent::explore {

/// Host time, monotonic.
std::int64_t host_now_ns();

struct Spawn {
  std::vector<std::string> arguments;  ///< of detent itself; [0] is its name
  int output = -1;                     ///< becomes stdout
  int errors = -1;                     ///< becomes stderr
  int kept = -1;                       ///< stays open in the child, under the number `kept_as`
  int kept_as = -1;
};

/// Executes detent (/proc/self/exe) with stdin from /dev/null, in a process group of its own. The pid, or
/// -1 with errno.
pid_t spawn_detent(const Spawn& spawn);

/// Reaps children. One for the whole process: it also adopts what guests leave behind (daemons), lest
/// they outlive the campaign.
class Reaper {
 public:
  static Reaper& instance();
  ~Reaper();
  Reaper(const Reaper&) = delete;
  Reaper& operator=(const Reaper&) = delete;

  /// `pid` was started; its status is kept until it is asked for.
  void watch(pid_t pid) { statuses_[pid] = kRunning; }
  /// True with the wait status if `pid` has ended; it is then forgotten, and its group killed.
  bool ended(pid_t pid, int& status);
  /// Kills the group of `pid` and waits for it.
  void kill_and_reap(pid_t pid);

 private:
  Reaper();
  void reap();
  static constexpr int kRunning = -1;
  std::map<pid_t, int> statuses_;
};

}  // namespace detent::explore

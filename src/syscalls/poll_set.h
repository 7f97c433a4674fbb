// PollSet: many fds, emulated and host ones mixed, looked at and waited for together. What poll and
// select share. Each look goes by the numbers; the wait, from its beginning to the end of the call, is for
// the files that they meant at first, which are kept open. Source: do_poll() and do_select() in fs/select.c.
#pragma once

#include <poll.h>

#include <cstddef>
#include <vector>

#include "detent/ids.h"
#include "detent/result.h"
#include "emu/fd/file.h"
#include "emu/sched/multi_wait.h"
#include "emu/task/task.h"
#include "syscalls/wait_args.h"
#include "waitq/poll_mask.h"

namespace detent::syscalls {

class PollSet {
 public:
  struct Entry {
    Fd fd;                          ///< a negative one is skipped
    waitq::PollMask interest;       ///< what is waited for
    waitq::PollMask relevant;       ///< what makes the entry count as ready
    waitq::PollMask revents = 0;    ///< what holds, of interest and of what poll(2) always reports
    fd::FileRef file;               ///< null for a host file
    fd::FileRef awaited = nullptr;  ///< the emulated file that is waited for
    const waitq::WaitQueue* host_queue = nullptr;  ///< or where a host file is
  };

  explicit PollSet(Task& task) : task_(task) {}
  PollSet(const PollSet&) = delete;
  PollSet& operator=(const PollSet&) = delete;

  void add(Fd fd, waitq::PollMask interest, waitq::PollMask relevant) {
    entries_.push_back({fd, interest, relevant, 0, nullptr});
  }
  [[nodiscard]] const std::vector<Entry>& entries() const { return entries_; }

  /// Looks once. Returns how many entries are ready. ENOTSUP as usable_file().
  Result<std::size_t> scan();
  /// Looks and waits until an entry is ready. 0 after the time-out. kRestartNoHand if a signal came
  /// first: an event wins over a signal, and a signal over a time-out. `what` is the call's name.
  Result<std::size_t> wait(const Timeout& timeout, const char* what);

 private:
  Result<std::size_t> wait_in_queues(const Timeout& timeout, const char* what);
  Result<void> look_up_files();
  void ask_host();
  void join_queues(sched::MultiWait& wait);
  void join_host_queue(sched::MultiWait& wait, Entry& entry, waitq::PollMask interest);

  Task& task_;
  std::vector<Entry> entries_;
  std::vector<pollfd> host_;  // kept between scans, for its memory
};

}  // namespace detent::syscalls

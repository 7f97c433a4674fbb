// HostPoller: readiness of the host's fds (pipes, sockets, ttys, ...) for tasks that wait.
//
// Interest is one-shot: watch() arms it, an event disarms it and notifies the queue; whoever still
// waits finds out by trying again and watches again. The host epoll instance sits above the guest's
// fd numbers.
#pragma once

#include <boost/intrusive/list.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "detent/ids.h"
#include "detent/units.h"
#include "waitq/wait_queue.h"

namespace detent::sched {

class HostPoller;

/// While alive, the call of a task goes on with the file that `fd` means at first, even if that number is
/// closed or replaced by another task during a wait: `fd` is then changed to the orphan's number.
class HostPin : public boost::intrusive::list_base_hook<
                    boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 public:
  HostPin(HostPoller& poller, Fd& fd);
  ~HostPin();
  HostPin(const HostPin&) = delete;
  HostPin& operator=(const HostPin&) = delete;

 private:
  friend class HostPoller;
  HostPoller& poller_;
  Fd& fd_;
};

class HostPoller {
 public:
  HostPoller();
  ~HostPoller();
  HostPoller(const HostPoller&) = delete;
  HostPoller& operator=(const HostPoller&) = delete;

  /// Arms interest in `events` of `fd` and returns the queue to wait on. An fd that the host cannot
  /// poll (a regular file) is not watched: it is always ready, and callers do not come here.
  waitq::WaitQueue& watch(Fd fd, waitq::PollMask events);
  /// The queue that watch() returned for `fd`, unless the number was closed since; null if there is none.
  [[nodiscard]] const waitq::WaitQueue* queue_of(Fd fd) const;
  /// Events of `fd` that hold now (one host poll(2) with timeout 0).
  static waitq::PollMask ready_now(Fd fd, waitq::PollMask events);
  /// `fd` is about to be closed or replaced. As on Linux, tasks that wait go on waiting for the file they
  /// began with: it stays open as an orphan, under a number of the kernel's own.
  void forget(Fd fd);
  /// The same for every number from `first` to `last`.
  void forget_range(unsigned first, unsigned last);

  /// Closes the orphans that nobody waits for any more. Called by whoever has waited.
  void close_orphans() {
    if (!orphans_.empty()) close_unused_orphans();
  }

  /// Waits at most `timeout` of host time (for ever if none; zero only looks), notifies what became
  /// ready. Returns at once if a host signal is recorded. Returns the number of events.
  unsigned wait(std::optional<Duration> timeout);
  /// True while somebody waits for a host fd. (An interest that nobody waits on any more stays armed
  /// until it fires or its fd is closed, and counts for nothing.)
  [[nodiscard]] bool watching() const;
  /// True while an armed interest is in an fd that somebody outside this process may act on.
  [[nodiscard]] bool watching_outside() const;
  /// Tells which fds only this process can act on (both ends of a pipe it made): virtual time need not
  /// wait for those. `is_inside` outlives the poller.
  void set_inside_test(std::function<bool(Fd)> is_inside) { is_inside_ = std::move(is_inside); }
  /// The poller's own host epoll instance, a kernel fd.
  [[nodiscard]] int host_fd() const { return epoll_fd_; }
  /// Ends a wait() whenever `fd`, an eventfd that nobody reads, is written to: what processes of a
  /// session tell each other. From then on in the child of a fork, too.
  void set_doorbell(int fd);
  /// After fork: the epoll instance is shared with the parent; make our own.
  void reset_after_fork();

 private:
  struct Watch {
    waitq::WaitQueue queue;
    waitq::PollMask armed = 0;
    bool added = false;
    bool inside = false;  ///< an orphan that only this process can act on
    std::uint64_t inode = 0;
    std::uint64_t since = 0;  ///< when somebody began to wait here, in order of arrival
  };
  struct Event {
    Watch* watch;
    Fd fd;
    waitq::PollMask events;
  };

  std::unique_ptr<Watch>& slot_of(Fd fd);
  static void put_in_order(std::span<Event> events);
  void tell(const Event& event);
  void open_epoll();
  void make_orphan(Fd fd, std::unique_ptr<Watch> watch);
  void close_unused_orphans();
  [[nodiscard]] bool is_inside(int fd, const Watch& watch) const;
  void watch_doorbell();
  template <class Test>
  [[nodiscard]] bool any_watch(Test test) const;

  int epoll_fd_ = -1;
  int doorbell_ = -1;
  friend class HostRetryScope;
  friend class HostPin;
  unsigned armed_ = 0;
  unsigned retrying_ = 0;
  std::uint64_t arrivals_ = 0;
  std::function<bool(Fd)> is_inside_;
  std::unordered_map<int, std::unique_ptr<Watch>> watches_;
  std::vector<int> orphans_;  ///< numbers of the kernel's own, each in watches_
  boost::intrusive::list<HostPin, boost::intrusive::constant_time_size<false>> pins_;
};

/// While alive, a task tries a host call again and again: its short pauses are paced by host time even
/// where time is virtual, because what it waits for happens outside.
class HostRetryScope {
 public:
  explicit HostRetryScope(HostPoller& poller) : poller_(poller) { ++poller_.retrying_; }
  ~HostRetryScope() { --poller_.retrying_; }
  HostRetryScope(const HostRetryScope&) = delete;
  HostRetryScope& operator=(const HostRetryScope&) = delete;

 private:
  HostPoller& poller_;
};

}  // namespace detent::sched

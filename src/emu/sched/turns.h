// Turns: in virtual time the processes of a session run one at a time, in an order that repeats.
//
// Whose turn it is stands in the session's page: the *baton*. Its holder runs until it rests (no task is
// ready), has used up its quantum, or the next timer of another process is due. Then it gives the baton to
// the next slot that may have something to do, and sleeps in a host futex:
//
//   A (slot 0)                           B (slot 1)                          baton
//   write(pipe); ++activity              sleeps                              taken by 0
//   reads another pipe: rests            sleeps                              offered to 1
//   sleeps                               looks at its fds, runs; rests       taken by 1
//   nobody has anything new to look at: the holder moves the clock to the session's next timer
//
// A process has something to do if it did not rest, its timer is due, the host sent it a signal, or
// anybody did anything since it looked last. While all rest and somebody waits for the outside, the holder
// waits for all of them: an epoll instance that the processes share has each one's own in it.
//
// What the host does by itself is waited for before the turn goes on: the end of a process that exits or
// is killed by another, a stop. fork: the child waits for its turn. vfork: the child has its parent's turn
// until it calls exec or ends. execve: the turn goes on in the next image.
//
// A process that is killed or stopped from outside in its turn, or sleeps in the host for seconds, loses
// the baton to one that waits; it finds out at its next system call. docs/adr has the decision.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "detent/units.h"
#include "emu/sched/session_unsafe.h"

namespace detent::sched {

class Turns {
 public:
  explicit Turns(Session& session) : session_(session) {}
  Turns(const Turns&) = delete;
  Turns& operator=(const Turns&) = delete;

  /// True from the first fork on, if time is virtual.
  [[nodiscard]] bool active() const { return watch_fd_ >= 0; }
  /// The session has just been created by this process, whose turn it is.
  void create();
  /// After execve: goes on with the turn of the image before. `watch_fd` is what fd() was.
  void attach(int watch_fd);
  [[nodiscard]] int fd() const { return watch_fd_; }
  /// This process's host epoll instance, in which it waits.
  void add_poller(int epoll_fd);
  /// In a forked child: waits for its first turn.
  void start();

  /// vfork. Before it; in the child (after Session::become()); in the parent, whatever came of it.
  void lend();
  void borrow(int lender);
  void take_back();

  /// True if this process's turn is over at time `now`.
  [[nodiscard]] bool over(std::int64_t now) const {
    return active() && (now >= end_ || !is_holder());
  }
  /// Lets others go first, and goes on. Called while tasks are ready.
  void yield();
  /// Nothing is ready until `deadline` (kNever). What is waited for may come from outside (kOutside), or
  /// never because another process was killed (kOrphan): bits.
  static constexpr std::uint32_t kOutside = 1;
  static constexpr std::uint32_t kOrphan = 2;
  void rest(std::int64_t deadline, std::uint32_t waits_for);
  /// Something is ready again.
  void run();
  /// A look at host fds, signals and shared futexes found nothing.
  void looked();
  /// Gives the baton to the next process with something to do and waits for it to come back. False at once
  /// if there is none: all rest.
  bool pass();
  /// While all rest: the earliest deadline of the session, and what all of them wait for.
  std::optional<std::int64_t> next_deadline();
  [[nodiscard]] std::uint32_t waits_for() const;
  /// Waits until the outside acts on any of the processes; false if it does not within `timeout` of host
  /// time. Afterwards all look again.
  bool await_outside(std::optional<Duration> timeout);
  /// All are to look again.
  void disturb();

  /// This process is about to end or to stop, by the next host call.
  enum class Leaving : std::uint8_t { kEnd, kStop };
  void leave(Leaving how);
  /// After a stop.
  void come_back();

  /// The other processes of the session that a signal to `target` (as kill(2) has it) reaches; empty if the
  /// turns are not active. Asked before it is sent.
  [[nodiscard]] std::vector<int> reached_by(int target) const;
  /// SIGKILL, SIGSTOP or SIGCONT was sent to them: waits until it has acted.
  void await_signal(int sig, const std::vector<int>& pids);

 private:
  [[nodiscard]] Session::Slot& slot(int index) const;
  [[nodiscard]] Session::Slot& own() const { return slot(session_.slot()); }
  [[nodiscard]] bool is_holder() const;
  [[nodiscard]] bool takes_part(int index);
  [[nodiscard]] bool has_something_to_do(int index) const;
  template <class Test>
  int next_slot(Test test);
  void give(int next);
  void acquire();
  bool try_take();
  void sleep_until_called(std::uint32_t call, unsigned& looks);
  void check_holder(unsigned& looks);
  void finish_leaving();
  void release_lender();
  [[nodiscard]] std::int64_t next_end();

  Session& session_;
  int watch_fd_ = -1;
  std::int64_t end_ = INT64_MAX;  ///< of this turn
};

}  // namespace detent::sched

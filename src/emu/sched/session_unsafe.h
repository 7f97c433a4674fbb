// Session: one virtual clock for all processes that came from one `detent run`.
//
// A page shared over fork and exec holds the time and a slot for each process. A process without a ready
// task is idle and says how far it could jump; only the one with the earliest deadline may jump, and only
// once every other process has looked at its host fds and signals *after* all were seen idle:
//
//   A: all idle; probe := 7          B (idle, in its host wait)          C (idle)
//                                    wakes, fds quiet: ack := 7          wakes, finds C's pipe full:
//   acks are 7, 0: waits                                                 busy, activity += 1
//   activity changed: starts over    ...
//
// So nothing that one process sent before it went idle can be overtaken by the jump. Exists from
// the first fork on: a single process pays nothing. In real time only the slots count, for what
// else the processes share (shared_futexes_unsafe.h).
//
// Whether a process is gone is told by the host: each holds a file lock on its slot's byte of the
// page's memfd, which execve keeps and the end of the process releases, before anybody hears of
// that end.
#pragma once

#include <atomic>
#include <cstdint>

#include "detent/result.h"

namespace detent::sched {

class Session {
 public:
  static constexpr std::int64_t kNever = INT64_MAX;
  static constexpr int kSlots = 1024;
  /// Where the table of shared futexes lies in the mapping.
  static constexpr std::uint64_t kFutexOffset = 64 << 10;

  /// True once the page exists.
  [[nodiscard]] bool active() const { return page_ != nullptr; }
  /// Makes the page (first fork), with the caller in its first slot. Nothing happens if it exists.
  void create(std::int64_t now);
  /// Attaches to the page behind `fd`, as the process of `slot`: after execve.
  void attach(int fd, int doorbell, int slot);
  [[nodiscard]] int fd() const { return fd_; }
  /// An eventfd that every process of the session watches for edges and nobody reads.
  [[nodiscard]] int doorbell() const { return doorbell_; }
  [[nodiscard]] int slot() const { return slot_; }

  /// The session's time, in ns; every process's VirtualClock reads and moves this cell.
  [[nodiscard]] std::atomic<std::int64_t>& now();
  /// A number that no process of the session has been given before; the first is `from` or more.
  std::uint64_t unique_number(std::uint64_t from);

  /// A slot for a child that is about to be forked: busy until it goes idle itself. EAGAIN if there is
  /// none left.
  Result<int> reserve_slot();
  /// The parent tells the child's pid; a failed fork gives the slot back.
  void name_slot(int slot, int pid);
  void release_slot(int slot);
  /// In the child.
  void become(int slot, int pid);
  /// True if the process of `slot` has ended. False as long as it is not known.
  [[nodiscard]] bool gone(int slot) const;

  /// This process has nothing to run until `deadline` (kNever: until somebody wakes it).
  void enter_idle(std::int64_t deadline);
  void leave_idle();
  /// The probe that a look at the own fds can answer; read it before looking.
  [[nodiscard]] std::uint64_t probe() const;
  void acknowledge(std::uint64_t probe);
  /// True if this process may jump to the deadline it gave. To be asked again and again while idle.
  bool may_jump();

 private:
  struct Slot;
  struct Page;

  void map(int fd);
  void hold_own_byte();
  [[nodiscard]] bool others_allow(bool& acknowledged);

  Page* page_ = nullptr;
  int fd_ = -1;
  int doorbell_ = -1;
  int slot_ = 0;
  std::uint64_t my_probe_ = 0;
  std::uint64_t activity_seen_ = 0;
  unsigned asked_ = 0;
};

}  // namespace detent::sched

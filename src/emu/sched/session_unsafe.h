// Session: what the processes that came from one `detent run` have in common.
//
// A page shared over fork and exec holds the virtual time and a slot for each process. It exists from the
// first fork on: a single process pays nothing. In virtual time the processes take turns by it
// (turns_unsafe.h); in real time only the slots count, for what else they share
// (shared_futexes_unsafe.h).
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
  static constexpr std::uint64_t kFutexOffset = 128 << 10;

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

  /// A slot for a child that is about to be forked: busy until it rests itself. EAGAIN if there is
  /// none left.
  Result<int> reserve_slot();
  /// Tells the pid, as the parent sees it, once; a failed fork gives the slot back.
  void name_slot(int slot, int pid);
  void release_slot(int slot);
  /// In the child.
  void become(int slot);
  /// True if the process of `slot` has ended. False as long as it is not known.
  [[nodiscard]] bool gone(int slot) const;

  /// What the processes have set CLOCK_REALTIME by, in all, ns; and a step more, of which all are told.
  [[nodiscard]] std::int64_t steps() const;
  void add_step(std::int64_t by);
  /// How many processes the session had before this one: 0, 1, ... in the order of forks.
  [[nodiscard]] std::uint64_t number() const;
  /// What the processes that have ended did, folded in the order of their ends.
  [[nodiscard]] std::uint64_t hash() const;
  void add_to_hash(std::uint64_t value);

 private:
  friend class Turns;
  struct Slot;
  struct Page;

  void map(int fd);
  void hold_own_byte();

  Page* page_ = nullptr;
  int fd_ = -1;
  int doorbell_ = -1;
  int slot_ = 0;
};

}  // namespace detent::sched

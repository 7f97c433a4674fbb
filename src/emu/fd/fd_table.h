// FdTable: which guest fds are emulated. An fd number in the guest is the same number in the host; an
// emulated one is held by a placeholder host fd of the same type, so that lowest-number allocation,
// dup, CLOEXEC, fstat and /proc/self/fd links need no second truth. No entry means a host file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_set>
#include <vector>

#include "detent/ids.h"
#include "emu/fd/file.h"

namespace detent::fd {

/// What is known about a host fd, asked once (fstat) and kept until the number is closed.
enum class HostKind : std::uint8_t {
  kUnknown,
  kNeverBlocks,  ///< regular file, directory, block device: no readiness to wait for
  kPipe,         ///< pipe or FIFO
  kSocket,
  kRandom,  ///< /dev/random, /dev/urandom
  kOther,   ///< tty, other character devices, anonymous inodes: pollable
  kBad,     ///< not open
};

class FdTable {
 public:
  /// The emulated file behind `fd`, or null (a host file or not open).
  [[nodiscard]] File* get(Fd fd) const;
  /// The same as a T, or null if it is something else.
  template <class T>
  [[nodiscard]] T* get_as(Fd fd) const {
    return dynamic_cast<T*>(get(fd));
  }
  /// `fd` (a placeholder that the host just gave) now means `file`.
  void install(Fd fd, FileRef file);
  /// `fd` was closed or replaced: drops the entry, and the file with its last reference.
  void remove(Fd fd);
  /// `to` became a duplicate of `from` (any kind).
  void duplicate(Fd from, Fd to);
  /// Every number from `first` to `last` was closed.
  void remove_range(unsigned first, unsigned last);

  /// The kind of a host fd.
  HostKind host_kind(Fd fd);
  /// Bytes that TCP sockets, of those whose kind was asked for, still hold back (tcp(7), SIOCOUTQNSD).
  [[nodiscard]] std::uint64_t unsent() const;
  /// In a forked child: what is left of emulated files is its own now (File::copied).
  void become_child();
  /// The kind of an emulated file that would survive execve(2) (not close-on-exec) and lose its state
  /// by that (File::shared_by_host); null if there is none.
  [[nodiscard]] const char* lost_by_exec() const;

  /// Notes that only this process can make `fd` ready (an end of a pipe or socket pair that it made and
  /// has shared with nobody), or that this is over. A fork, a close and a re-use of the number end it.
  void set_inside(Fd fd, bool inside);
  [[nodiscard]] bool is_inside(Fd fd) const { return inside_.contains(raw(fd)); }

  /// Calls f(Fd, File&) for every emulated fd, in number order.
  template <class F>
  void for_each(F f) const {
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      if (entries_[i].file) f(static_cast<Fd>(i), *entries_[i].file);
    }
  }

 private:
  struct Entry {
    FileRef file;
    HostKind kind = HostKind::kUnknown;
  };
  Entry& entry(Fd fd);
  std::vector<Entry> entries_;
  std::unordered_set<int>
      inside_;  // not in Entry: kernel fds, which may be huge numbers, are noted too
};

}  // namespace detent::fd

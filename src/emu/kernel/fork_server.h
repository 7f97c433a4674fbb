// ForkServer: runs many schedules from one loaded program (docs/schedules.md, "Fork server").
//
// The program runs up to its first choice. From there on this process only forks: each request is answered
// by a copy that runs one schedule, and by the copy's end.
//
//   request    a packet {u32 version = 3, u32 n, u64 seed, char strategy[24], i64 time_budget_ns,
//              u64 turns, u32 m, u32 brief, n * (u32 choice, u32 option),
//              m * (u32 task, u32 unused, u64 object, u64 events)} with three fds: report, stdout,
//              stderr. `turns` and the last list are the profile; `brief`: where the run ends
//              well, the report holds its head only
//   answer     a packet {i32 wait status}, as wait4(2) tells it
//
// The socket (SOCK_SEQPACKET) is closed without an answer if the program cannot be copied.
#pragma once

#include <optional>

#include "emu/kernel/snapshot.h"
#include "emu/trace/schedule.h"

namespace detent::emu {

class ForkServer {
 public:
  /// `socket` is a kernel fd, or -1: there is no server.
  ForkServer(Kernel& kernel, int socket) : kernel_(kernel), socket_(socket) {}
  [[nodiscard]] bool serving() const { return socket_ >= 0; }
  /// In a child of the guest's, which never serves.
  void forget() { socket_ = -1; }
  /// Serves until the other side closes, and ends the process; returns in each copy, which then runs its
  /// schedule.
  void serve();

 private:
  struct Request;
  bool receive(Request& request) const;
  void run_copy(const Request& request);
  [[noreturn]] void stop(int status) const;

  Kernel& kernel_;
  int socket_;
  Snapshot snapshot_;
};

}  // namespace detent::emu

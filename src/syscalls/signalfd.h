// signalfd: a file from which pending signals are read. Which signals there are depends on who asks:
// the caller's own and its process's. Who waits for any signalfd of a process waits in one queue, and each
// signal that comes, and each change of a mask, is news to all of them. Source: signalfd(2), fs/signalfd.c.
#pragma once

#include <sys/signalfd.h>

#include <csignal>
#include <cstdint>

#include "detent/ids.h"
#include "detent/result.h"
#include "detent/user_ptr.h"
#include "emu/fd/file.h"
#include "emu/sched/scheduler.h"
#include "emu/signal/process_signals.h"
#include "emu/task/task.h"

namespace detent::syscalls {

/// The record that read(2) gives for `info`.
signalfd_siginfo to_signalfd_record(const siginfo_t& info);

class SignalFd final : public fd::File {
 public:
  /// Both outlive the file.
  SignalFd(signal::SigSet mask, signal::ProcessSignals& process, sched::Scheduler& scheduler);

  /// signalfd(2) on an existing fd.
  void set_mask(signal::SigSet mask);

  waitq::Attempt<std::size_t> read(std::span<std::byte> to) override;
  waitq::PollMask poll() override;
  [[nodiscard]] const char* kind() const override { return "signalfd"; }
  [[nodiscard]] std::string fdinfo() override;
  [[nodiscard]] std::size_t max_read() const override { return 128 * sizeof(signalfd_siginfo); }

 private:
  signal::SigSet mask_;
  sched::Scheduler& scheduler_;
};

Result<long> sys_signalfd(Task& task, Fd fd, UserPtr<const signal::SigSet> mask,
                          std::uint64_t set_size);
Result<long> sys_signalfd4(Task& task, Fd fd, UserPtr<const signal::SigSet> mask,
                           std::uint64_t set_size, int flags);

}  // namespace detent::syscalls

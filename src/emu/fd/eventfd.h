// EventFd: a 64-bit counter that can be waited for.
//
// Made by the eventfd adapter; read and written by the read/write adapters. Source: eventfd(2),
// fs/eventfd.c.
#pragma once

#include <cstdint>

#include "emu/fd/file.h"

namespace detent::fd {

class EventFd final : public File {
 public:
  /// `semaphore`: a read takes one (EFD_SEMAPHORE) instead of everything.
  EventFd(std::uint64_t initial, bool semaphore);

  /// Takes the counter, or one of it; 8 bytes. EINVAL for a shorter buffer. Blocked (kIn) at zero.
  waitq::Attempt<std::size_t> read(std::span<std::byte> to) override;
  [[nodiscard]] Result<void> check_write(std::size_t size) const override;
  /// Adds an 8-byte value. EINVAL unless it is exactly 8 bytes and not UINT64_MAX. Blocked (kOut) while
  /// the sum would reach UINT64_MAX.
  waitq::Attempt<std::size_t> write(std::span<const std::byte> from) override;
  waitq::PollMask poll() override;
  [[nodiscard]] bool can_write() const override { return true; }
  [[nodiscard]] const char* kind() const override { return "eventfd"; }
  [[nodiscard]] std::string fdinfo() override;

  bool hand_over(Fd placeholder, bool host_time) override;

 private:
  std::uint64_t count_;
  bool semaphore_;
  int id_;  ///< for fdinfo()
};

}  // namespace detent::fd

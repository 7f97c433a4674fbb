#include "emu/fd/eventfd.h"

#include <fmt/format.h>
#include <sys/syscall.h>

#include <cstring>
#include <limits>
#include <utility>

#include "emu/arch/x86_64/host_call.h"

namespace detent::fd {
namespace {

constexpr std::uint64_t kLimit = std::numeric_limits<std::uint64_t>::max();

int eventfds_made = 0;

}  // namespace

EventFd::EventFd(std::uint64_t initial, bool semaphore)
    : count_(initial), semaphore_(semaphore), id_(++eventfds_made) {}

waitq::Attempt<std::size_t> EventFd::read(std::span<std::byte> to) {
  if (to.size() < sizeof(count_)) return Errno{EINVAL};
  if (count_ == 0) return waitq::Blocked{&queue(), waitq::kIn};
  const std::uint64_t taken = semaphore_ ? 1 : count_;
  count_ -= taken;
  queue().notify(waitq::kOut);
  std::memcpy(to.data(), &taken, sizeof(taken));
  return sizeof(taken);
}

Result<void> EventFd::check_write(std::size_t size) const {
  if (size != sizeof(count_)) return Errno{EINVAL};
  return {};
}

waitq::Attempt<std::size_t> EventFd::write(std::span<const std::byte> from) {
  if (from.size() != sizeof(count_)) return Errno{EINVAL};
  std::uint64_t added = 0;
  std::memcpy(&added, from.data(), sizeof(added));
  if (added == kLimit) return Errno{EINVAL};
  if (kLimit - count_ <= added) return waitq::Blocked{&queue(), waitq::kOut};
  count_ += added;
  // Every write, even of 0, is an event for edge-triggered pollers, who look at poll() to see whether
  // there is anything (F9).
  queue().notify(waitq::kIn);
  return sizeof(added);
}

waitq::PollMask EventFd::poll() {
  waitq::PollMask events = 0;
  if (count_ > 0) events |= waitq::kIn;
  if (count_ == kLimit) events |= waitq::kErr;
  if (count_ < kLimit - 1) events |= waitq::kOut;
  return events;
}

// fs/eventfd.c eventfd_show_fdinfo(). The id counts this process's eventfds; the host's counts its own.
std::string EventFd::fdinfo() {
  return fmt::format("eventfd-count: {:16x}\neventfd-id: {}\neventfd-semaphore: {}\n", count_, id_,
                     semaphore_ ? 1 : 0);
}

bool EventFd::hand_over(Fd placeholder, bool host_time) {
  static_cast<void>(host_time);
  const std::uint64_t count = std::exchange(count_, 0);
  if (count != 0) arch::host_call(SYS_write, raw(placeholder), &count, sizeof(count)).value();
  return true;
}

}  // namespace detent::fd

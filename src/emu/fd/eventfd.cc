#include "emu/fd/eventfd.h"

#include <cstring>
#include <limits>

namespace detent::fd {
namespace {

constexpr std::uint64_t kLimit = std::numeric_limits<std::uint64_t>::max();

}  // namespace

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

}  // namespace detent::fd

// What the tests of emulated files share: reading and writing counts, and a waiter that counts wakes.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>

#include "emu/fd/file.h"

namespace detent::fd {

/// Counts the notifications that it is interested in.
struct Recorder final : waitq::Waiter {
  Recorder(File& file, waitq::PollMask interest, bool exclusive = false)
      : Waiter(interest, exclusive) {
    file.queue().add(*this);
  }
  bool wake(waitq::PollMask events) override {
    ++wakes;
    last = events;
    return true;
  }
  int wakes = 0;
  waitq::PollMask last = 0;
};

/// The 8-byte value read, or minus the errno; -1000 if it would block, 0 if nothing was read.
inline std::int64_t read_count(File& file) {
  std::uint64_t value = 0;
  waitq::Attempt<std::size_t> tried = file.read(std::as_writable_bytes(std::span(&value, 1)));
  if (tried.blocked()) return -1000;
  const Result<std::size_t> result = std::move(tried).result();
  if (!result.ok()) return -result.error().value;
  return static_cast<std::int64_t>(result.value() == 0 ? 0 : value);
}

inline waitq::Attempt<std::size_t> try_write(File& file, std::uint64_t value) {
  return file.write(std::as_bytes(std::span(&value, 1)));
}
inline std::size_t write_count(File& file, std::uint64_t value) {
  return try_write(file, value).result().value();
}
inline int write_error(File& file, std::uint64_t value) {
  return try_write(file, value).result().error().value;
}
inline bool write_blocks(File& file, std::uint64_t value) {
  const waitq::Attempt<std::size_t> tried = try_write(file, value);
  return tried.blocked() && tried.blocked_on().events == waitq::kOut;
}
/// True if a read would block, waiting for `events`.
inline bool is_blocked(File& file, waitq::PollMask events) {
  std::uint64_t value = 0;
  const auto tried = file.read(std::as_writable_bytes(std::span(&value, 1)));
  return tried.blocked() && tried.blocked_on().queue == &file.queue() &&
         tried.blocked_on().events == events;
}

}  // namespace detent::fd

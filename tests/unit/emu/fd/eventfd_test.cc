#include "emu/fd/eventfd.h"

#include <catch2/catch.hpp>
#include <cstring>
#include <limits>

#include "recorder.h"

namespace detent::fd {
namespace {

constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max() - 1;

TEST_CASE("a read takes the whole counter, or one of a semaphore", "[eventfd]") {
  EventFd plain(5, false);
  CHECK(read_count(plain) == 5);
  CHECK(is_blocked(plain, waitq::kIn));
  EventFd semaphore(2, true);
  CHECK(read_count(semaphore) == 1);
  CHECK(read_count(semaphore) == 1);
  CHECK(is_blocked(semaphore, waitq::kIn));
}

TEST_CASE("writes add up", "[eventfd]") {
  EventFd file(1, false);
  CHECK(write_count(file, 2) == 8);
  CHECK(write_count(file, 0) == 8);
  CHECK(read_count(file) == 3);
}

TEST_CASE("a buffer of the wrong size is EINVAL and changes nothing", "[eventfd]") {
  EventFd file(5, false);
  std::byte buffer[16] = {};
  CHECK(file.read(std::span(buffer, 7)).result().error() == Errno{EINVAL});
  CHECK(file.write(std::span<const std::byte>(buffer, 7)).result().error() == Errno{EINVAL});
  CHECK(file.write(std::span<const std::byte>(buffer, 16)).result().error() == Errno{EINVAL});
  CHECK(file.read(std::span(buffer, 16)).result().value() == 8);
  CHECK(buffer[0] == std::byte{5});
}

TEST_CASE("F13: a write that would overflow blocks, all ones are EINVAL", "[eventfd]") {
  EventFd file(0, false);
  CHECK(write_count(file, kMax) == 8);
  CHECK(write_count(file, 0) == 8);
  CHECK(write_blocks(file, 1));
  CHECK(write_error(file, std::numeric_limits<std::uint64_t>::max()) == EINVAL);
  Recorder readers(file, waitq::kOut);
  CHECK(read_count(file) == static_cast<std::int64_t>(kMax));
  CHECK(readers.wakes == 1);
  CHECK(write_count(file, 1) == 8);
}

TEST_CASE("poll bits follow the counter", "[eventfd]") {
  EventFd file(0, false);
  CHECK(file.poll() == waitq::kOut);
  CHECK(write_count(file, 1) == 8);
  CHECK(file.poll() == (waitq::kIn | waitq::kOut));
  CHECK(write_count(file, kMax - 2) == 8);
  CHECK(file.poll() == (waitq::kIn | waitq::kOut));
  CHECK(write_count(file, 1) == 8);
  CHECK(file.poll() == waitq::kIn);
  EventFd signalled(std::numeric_limits<std::uint64_t>::max(), false);
  CHECK(signalled.poll() == (waitq::kIn | waitq::kErr));
}

TEST_CASE("every write notifies readers, even of 0 (F9)", "[eventfd]") {
  EventFd file(0, false);
  Recorder readers(file, waitq::kIn);
  for (int i = 1; i <= 5; ++i) {
    CHECK(write_count(file, i % 2) == 8);
    CHECK(readers.wakes == i);
  }
}

}  // namespace
}  // namespace detent::fd

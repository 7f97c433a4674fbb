#include "waitq/attempt.h"

#include <catch2/catch.hpp>

namespace detent::waitq {
namespace {

TEST_CASE("an attempt is a value, an errno or Blocked", "[attempt]") {
  Attempt<int> value(7);
  CHECK(!value.blocked());
  CHECK(std::move(value).result().value() == 7);

  Attempt<int> error(Errno{EBADF});
  CHECK(!error.blocked());
  CHECK(std::move(error).result().error() == Errno{EBADF});

  WaitQueue queue;
  const Attempt<int> blocked(Blocked{&queue, kIn});
  REQUIRE(blocked.blocked());
  CHECK(blocked.blocked_on().queue == &queue);
  CHECK(blocked.blocked_on().events == kIn);
}

TEST_CASE("an attempt takes over a result", "[attempt]") {
  CHECK(Attempt<int>(Result<int>(3)).result().value() == 3);
  CHECK(Attempt<int>(Result<int>(Errno{EINVAL})).result().error() == Errno{EINVAL});
}

}  // namespace
}  // namespace detent::waitq

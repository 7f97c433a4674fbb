#include "detent/assert.h"

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <string>

namespace {

struct Death {
  int exit_code = -1;
  std::string message;
};

Death die_in_child(const char* expression, const char* file, int line) {
  std::array<int, 2> pipe_ends{};
  REQUIRE(pipe(pipe_ends.data()) == 0);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    dup2(pipe_ends[1], STDERR_FILENO);
    detent::assertion_failed(expression, file, line);
  }
  close(pipe_ends[1]);
  Death death;
  std::array<char, 256> part{};
  for (ssize_t n = 0; (n = read(pipe_ends[0], part.data(), part.size())) > 0;) {
    death.message.append(part.data(), static_cast<std::size_t>(n));
  }
  close(pipe_ends[0]);
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  if (WIFEXITED(status)) death.exit_code = WEXITSTATUS(status);
  return death;
}

}  // namespace

TEST_CASE("a failed assertion names itself and exits with 125", "[base]") {
  const Death death = die_in_child("a == b", "src/x.cc", 1204);
  CHECK(death.exit_code == 125);
  CHECK(death.message == "detent: internal error: assertion failed: a == b (src/x.cc:1204)\n");
}

TEST_CASE("a failed assertion prints any line number", "[base]") {
  CHECK(die_in_child("e", "f", 0).message.find("(f:0)") != std::string::npos);
  CHECK(die_in_child("e", "f", 2147483647).message.find("(f:2147483647)") != std::string::npos);
}

TEST_CASE("an assertion that holds evaluates its expression once", "[base]") {
  int evaluations = 0;
  DETENT_ASSERT(++evaluations == 1);
  CHECK(evaluations == 1);
}

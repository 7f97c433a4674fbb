#include "bench/command.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstring>
#include <ctime>

namespace detent::bench {
namespace {

std::int64_t now_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * std::int64_t{1'000'000'000} + now.tv_nsec;
}

pid_t spawn(const std::vector<std::string>& command, int output, int& error) {
  std::vector<char*> arguments;
  for (const std::string& argument : command) {
    arguments.push_back(const_cast<char*>(argument.c_str()));
  }
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  pid_t pid = -1;
  error = posix_spawnp(&pid, arguments[0], &actions, &attributes, arguments.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return error == 0 ? pid : -1;
}

// False if `until` passed before the other side closed.
bool read_all(int fd, std::int64_t until, std::string& text) {
  std::array<char, 65536> part;
  for (;;) {
    pollfd entry{fd, POLLIN, 0};
    const std::int64_t left_ms = (until - now_ns()) / 1'000'000;
    if (left_ms <= 0 || poll(&entry, 1, static_cast<int>(left_ms)) == 0) return false;
    const ssize_t got = read(fd, part.data(), part.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return true;
    text.append(part.data(), static_cast<std::size_t>(got));
  }
}

std::string problem_of(int status) {
  if (WIFSIGNALED(status)) return fmt::format("killed by signal {}", WTERMSIG(status));
  const int code = WEXITSTATUS(status);
  return code == 0 ? "" : fmt::format("ended with status {}", code);
}

}  // namespace

Ran run_command(const std::vector<std::string>& command, int timeout_s) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return {"", 0, std::strerror(errno)};
  const std::int64_t start = now_ns();
  int error = 0;
  const pid_t pid = spawn(command, ends[1], error);
  close(ends[1]);
  Ran ran{"", 0, error == 0 ? "" : fmt::format("{}: {}", command[0], std::strerror(error))};
  if (pid > 0) {
    const bool closed =
        read_all(ends[0], start + timeout_s * std::int64_t{1'000'000'000}, ran.output);
    if (!closed) kill(-pid, SIGKILL);
    int status = 0;
    waitpid(pid, &status, 0);
    ran.wall_ns = now_ns() - start;
    ran.problem = closed ? problem_of(status) : fmt::format("took over {} s", timeout_s);
  }
  close(ends[0]);
  return ran;
}

}  // namespace detent::bench

#include "explore/guest_process.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <ctime>
#include <fstream>

namespace detent::explore {
namespace {

class FileActions {
 public:
  FileActions() { posix_spawn_file_actions_init(&actions_); }
  ~FileActions() { posix_spawn_file_actions_destroy(&actions_); }
  FileActions(const FileActions&) = delete;
  FileActions& operator=(const FileActions&) = delete;
  void dup(int from, int to) {
    if (from >= 0) posix_spawn_file_actions_adddup2(&actions_, from, to);
  }
  void open_null(int as) {
    posix_spawn_file_actions_addopen(&actions_, as, "/dev/null", O_RDONLY, 0);
  }
  void close_from(int first) { posix_spawn_file_actions_addclosefrom_np(&actions_, first); }
  posix_spawn_file_actions_t* get() { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_;
};

// Signals as a shell leaves them to what it starts, in a group of its own.
class Attributes {
 public:
  Attributes() {
    posix_spawnattr_init(&attributes_);
    sigset_t none;
    sigset_t caught;
    sigemptyset(&none);
    sigemptyset(&caught);
    for (const int sig : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) sigaddset(&caught, sig);
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setsigdefault(&attributes_, &caught);
    posix_spawnattr_setpgroup(&attributes_, 0);
    posix_spawnattr_setflags(
        &attributes_, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  ~Attributes() { posix_spawnattr_destroy(&attributes_); }
  Attributes(const Attributes&) = delete;
  Attributes& operator=(const Attributes&) = delete;
  posix_spawnattr_t* get() { return &attributes_; }

 private:
  posix_spawnattr_t attributes_;
};

std::vector<pid_t> own_children() {
  std::vector<pid_t> children;
  std::ifstream list("/proc/thread-self/children");
  for (pid_t pid = 0; list >> pid;) children.push_back(pid);
  return children;
}

}  // namespace

std::int64_t host_now_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * std::int64_t{1'000'000'000} + now.tv_nsec;
}

pid_t spawn_detent(const Spawn& spawn) {
  std::vector<char*> arguments;
  for (const std::string& argument : spawn.arguments) {
    arguments.push_back(const_cast<char*>(argument.c_str()));
  }
  arguments.push_back(nullptr);
  FileActions actions;
  actions.open_null(STDIN_FILENO);
  actions.dup(spawn.output, STDOUT_FILENO);
  actions.dup(spawn.errors, STDERR_FILENO);
  actions.dup(spawn.kept, spawn.kept_as);
  // libdw keeps the files open whose symbols were looked up. A guest that saw them would get other numbers
  // for its own, and another trace.
  actions.close_from(1 + (spawn.kept >= 0 ? spawn.kept_as : STDERR_FILENO));
  Attributes attributes;
  pid_t pid = -1;
  const int error = posix_spawn(&pid, "/proc/self/exe", actions.get(), attributes.get(),
                                arguments.data(), environ);
  if (error != 0) {
    errno = error;
    return -1;
  }
  Reaper::instance().watch(pid);
  return pid;
}

Reaper& Reaper::instance() {
  static Reaper reaper;
  return reaper;
}

Reaper::Reaper() { prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); }

Reaper::~Reaper() {
  // Killing a parent hands its children to us: again until there are none.
  for (std::vector<pid_t> children = own_children(); !children.empty(); children = own_children()) {
    for (const pid_t child : children) {
      kill(child, SIGKILL);
      waitpid(child, nullptr, 0);
    }
  }
}

void Reaper::reap() {
  int status = 0;
  for (pid_t pid = 0; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
    const auto known = statuses_.find(pid);
    if (known != statuses_.end()) known->second = status;
  }
}

bool Reaper::ended(pid_t pid, int& status) {
  reap();
  const auto known = statuses_.find(pid);
  if (known == statuses_.end() || known->second == kRunning) return false;
  status = known->second;
  statuses_.erase(known);
  kill(-pid, SIGKILL);
  return true;
}

void Reaper::kill_and_reap(pid_t pid) {
  kill(-pid, SIGKILL);
  kill(pid, SIGKILL);
  statuses_.erase(pid);
  waitpid(pid, nullptr, 0);
}

}  // namespace detent::explore

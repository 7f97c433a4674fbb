#include "emu/kernel/snapshot.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "detent/assert.h"
#include "emu/arch/x86_64/host_call.h"
#include "emu/arch/x86_64/kernel_fds.h"
#include "emu/fd/epoll.h"
#include "emu/kernel/kernel.h"

namespace detent::emu {
namespace {

using arch::host_call;

std::vector<int> open_numbers() {
  std::vector<int> numbers;
  DIR* directory = opendir("/proc/self/fd");
  DETENT_ASSERT(directory != nullptr);
  while (const dirent* entry = readdir(directory)) {
    const int fd = std::atoi(entry->d_name);
    if (entry->d_name[0] != '.' && fd != dirfd(directory)) numbers.push_back(fd);
  }
  closedir(directory);
  std::ranges::sort(numbers);
  return numbers;
}

bool same_file(int fd, const struct stat& status) {
  struct stat other {};
  return host_call(SYS_fstat, fd, &other).ok() && other.st_dev == status.st_dev &&
         other.st_ino == status.st_ino && other.st_rdev == status.st_rdev;
}

int unread_bytes(int fd) {
  int unread = 0;
  static_cast<void>(host_call(SYS_ioctl, fd, FIONREAD, &unread));
  return unread;
}

// Writable shared memory of the guest, named for the user; empty if there is none.
std::string shared_mapping() {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    std::istringstream fields(line);
    std::string range, mode, offset, device, inode, path;
    fields >> range >> mode >> offset >> device >> inode >> path;
    if (mode.size() == 4 && mode[1] == 'w' && mode[3] == 's') return range + " " + path;
  }
  return "";
}

}  // namespace

std::string Snapshot::take(Kernel& kernel) {
  if (kernel.has_relatives()) return "the program has started other processes";
  const std::string shared = shared_mapping();
  if (!shared.empty()) return "writable shared memory at " + shared;
  look_at_epolls(kernel);
  for (const int fd : open_numbers()) {
    if (arch::is_kernel_fd(fd)) continue;
    std::string problem = look_at(kernel, fd);
    if (!problem.empty()) return fmt::format("fd {} is {}", fd, problem);
  }
  return check_pairs();
}

std::string Snapshot::look_at(Kernel& kernel, int fd) {
  struct stat status {};
  if (kernel.process().fds().get(Fd{fd}) != nullptr) return "";
  host_call(SYS_fstat, fd, &status).value();
  const auto flags = static_cast<int>(host_call(SYS_fcntl, fd, F_GETFL).value());
  const bool close_on_exec = host_call(SYS_fcntl, fd, F_GETFD).value() != 0;
  const Placed at{fd, close_on_exec, flags};
  const bool is_out = fd == 1 || (fd > 2 && same_file(1, status));
  const bool is_err = fd == 2 || (fd > 2 && same_file(2, status));
  if (is_out || is_err) {
    (is_out ? outs_ : errs_).push_back(at);
    return "";
  }
  if (S_ISREG(status.st_mode) || S_ISDIR(status.st_mode)) {
    const Result<long> offset = host_call(SYS_lseek, fd, 0, SEEK_CUR);
    files_.push_back({at, offset.ok() ? offset.value() : 0});
    return "";
  }
  if (S_ISCHR(status.st_mode) || fd == 0) return "";
  if (S_ISFIFO(status.st_mode)) return look_at_pipe(at, status.st_ino);
  if (S_ISSOCK(status.st_mode)) return look_at_socket(kernel, at);
  return "of a kind that cannot be copied";
}

std::string Snapshot::look_at_pipe(const Placed& at, std::uint64_t inode) {
  auto found = std::ranges::find(pairs_, inode, [](const auto& entry) { return entry.first; });
  if (found == pairs_.end()) found = pairs_.insert(found, {inode, Pair{}});
  const bool writes = (at.status_flags & O_ACCMODE) == O_WRONLY;
  Pair& pair = found->second;
  (writes ? pair.second : pair.first).push_back(at);
  pair.unread = std::max(pair.unread, writes ? 0 : unread_bytes(at.fd));
  return "";
}

// Both ends of a pair have one name (run_record.h), and an inode each.
std::string Snapshot::look_at_socket(Kernel& kernel, const Placed& at) {
  const std::uint64_t name = kernel.record().file_name(at.fd);
  int type = 0;
  socklen_t size = sizeof(type);
  host_call(SYS_getsockopt, at.fd, SOL_SOCKET, SO_TYPE, &type, &size).value();
  if (name == 0 || !kernel.record().is_pair(name)) return "a socket";
  if (unread_bytes(at.fd) != 0) return "a socket pair that holds data";
  auto found = std::ranges::find(pairs_, name, [](const auto& entry) { return entry.first; });
  if (found == pairs_.end()) found = pairs_.insert(found, {name, Pair{AF_UNIX, type, {}, {}, 0}});
  struct stat mine {};
  host_call(SYS_fstat, at.fd, &mine).value();
  std::vector<Placed>& first = found->second.first;
  const bool joins_first = first.empty() || same_file(first.front().fd, mine);
  (joins_first ? first : found->second.second).push_back(at);
  return "";
}

std::string Snapshot::check_pairs() const {
  for (const auto& [name, pair] : pairs_) {
    if (pair.first.empty() || pair.second.empty()) {
      const int fd = (pair.first.empty() ? pair.second : pair.first).front().fd;
      return fmt::format("fd {} is one end of a pipe or socket pair; the other is elsewhere", fd);
    }
  }
  return "";
}

// "tfd: 5 events: 19 data: 5 ..." in /proc/self/fdinfo.
void Snapshot::look_at_epolls(Kernel& kernel) {
  kernel.process().fds().for_each([&](Fd fd, fd::File& file) {
    const auto* epoll = dynamic_cast<fd::Epoll*>(&file);
    if (epoll == nullptr) return;
    const int host_fd = epoll->host_fd();
    const bool close_on_exec = host_call(SYS_fcntl, raw(fd), F_GETFD).value() != 0;
    for (Instance& known : instances_) {
      if (known.at.front().fd == host_fd) return known.at.push_back({raw(fd), close_on_exec, 0});
    }
    Instance instance{{{host_fd, true, 0}, {raw(fd), close_on_exec, 0}}, {}};
    std::ifstream info(fmt::format("/proc/self/fdinfo/{}", host_fd));
    for (std::string line; std::getline(info, line);) {
      Member member{};
      unsigned events = 0;
      unsigned long long data = 0;
      if (std::sscanf(line.c_str(), "tfd: %d events: %x data: %llx", &member.fd, &events, &data) !=
          3) {
        continue;
      }
      member.event.events = events;
      member.event.data.u64 = data;
      instance.members.push_back(member);
    }
    instances_.push_back(std::move(instance));
  });
}

void Snapshot::place(int fd, const std::vector<Placed>& at) {
  for (const Placed& target : at) {
    if (arch::is_kernel_fd(target.fd)) {
      arch::replace_kernel_fd(target.fd, fd);
      continue;
    }
    host_call(SYS_dup3, fd, target.fd, target.close_on_exec ? O_CLOEXEC : 0).value();
  }
}

void Snapshot::copy_file(const File& file) {
  const std::string path = fmt::format("/proc/self/fd/{}", file.at.fd);
  const int flags = (file.at.status_flags & ~(O_CREAT | O_EXCL | O_TRUNC)) | O_CLOEXEC;
  const Result<long> copy = host_call(SYS_open, path.c_str(), flags, 0);
  // A file that may not be opened again (its mode has changed) keeps its shared position.
  if (!copy.ok()) return;
  static_cast<void>(host_call(SYS_lseek, copy.value(), file.offset, SEEK_SET));
  place(static_cast<int>(copy.value()), {file.at});
  host_call(SYS_close, copy.value()).value();
}

void Snapshot::copy_pair(const Pair& pair) {
  std::array<int, 2> ends{};
  if (pair.family != 0) {
    host_call(SYS_socketpair, pair.family, pair.type | SOCK_CLOEXEC, 0, ends.data()).value();
  } else {
    host_call(SYS_pipe2, ends.data(), O_CLOEXEC).value();
    if (pair.unread != 0) {
      host_call(SYS_tee, pair.first.front().fd, ends[1], std::int64_t{pair.unread}, 0).value();
    }
  }
  const auto set_flags = [](int end, const Placed& at) {
    host_call(SYS_fcntl, end, F_SETFL, at.status_flags & (O_NONBLOCK | O_DIRECT)).value();
  };
  set_flags(ends[0], pair.first.front());
  set_flags(ends[1], pair.second.front());
  place(ends[0], pair.first);
  place(ends[1], pair.second);
  for (const int end : ends) host_call(SYS_close, end).value();
}

void Snapshot::copy_instance(const Instance& instance) {
  const long fresh = host_call(SYS_epoll_create1, EPOLL_CLOEXEC).value();
  for (const Member& member : instance.members) {
    // A member that is closed, but still open under another number, cannot be named: it is left out.
    static_cast<void>(host_call(SYS_epoll_ctl, fresh, EPOLL_CTL_ADD, member.fd, &member.event));
  }
  place(static_cast<int>(fresh), instance.at);
  host_call(SYS_close, fresh).value();
}

void Snapshot::become_copy(int out, int err) {
  for (const File& file : files_) copy_file(file);
  for (const auto& [name, pair] : pairs_) copy_pair(pair);
  for (const Instance& instance : instances_) copy_instance(instance);
  place(out, outs_);
  place(err, errs_);
  for (const int fd : {out, err}) {
    if (fd > 2) host_call(SYS_close, fd).value();
  }
}

}  // namespace detent::emu

#include "emu/fd/fd_table.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <utility>

#include "detent/assert.h"
#include "emu/arch/x86_64/host_call.h"

namespace detent::fd {
namespace {

using arch::host_call;

// Documentation/admin-guide/devices.txt: 1:8 random, 1:9 urandom.
bool is_random_device(dev_t device) {
  return major(device) == 1 && (minor(device) == 8 || minor(device) == 9);
}

HostKind ask_kind(Fd fd) {
  struct stat status {};
  if (!host_call(SYS_fstat, raw(fd), &status).ok()) return HostKind::kBad;
  switch (status.st_mode & S_IFMT) {
    case S_IFREG:
    case S_IFDIR:
    case S_IFBLK:
    case S_IFLNK:
      return HostKind::kNeverBlocks;
    case S_IFIFO:
      return HostKind::kPipe;
    case S_IFSOCK:
      return HostKind::kSocket;
    case S_IFCHR:
      return is_random_device(status.st_rdev) ? HostKind::kRandom : HostKind::kOther;
    // Anonymous inodes, which have no type bits at all.
    default:
      return HostKind::kOther;
  }
}

}  // namespace

FdTable::Entry& FdTable::entry(Fd fd) {
  DETENT_ASSERT(raw(fd) >= 0);
  const auto index = static_cast<std::size_t>(raw(fd));
  if (index >= entries_.size()) entries_.resize(index + 1);
  return entries_[index];
}

File* FdTable::get(Fd fd) const {
  // A negative number becomes a huge index.
  const auto index = static_cast<std::size_t>(raw(fd));
  return index < entries_.size() ? entries_[index].file.get() : nullptr;
}

void FdTable::install(Fd fd, FileRef file) {
  remove(fd);
  entry(fd).file = std::move(file);
}

void FdTable::remove(Fd fd) {
  inside_.erase(raw(fd));
  const auto index = static_cast<std::size_t>(raw(fd));
  if (index >= entries_.size()) return;
  // The file dies last: its destructor may look at the table.
  const Entry gone = std::exchange(entries_[index], Entry{});
}

void FdTable::duplicate(Fd from, Fd to) {
  if (from == to) return;
  const auto index = static_cast<std::size_t>(raw(from));
  const Entry copy = index < entries_.size() ? entries_[index] : Entry{};
  const bool inside = is_inside(from);
  remove(to);
  if (copy.file || copy.kind != HostKind::kUnknown) entry(to) = copy;
  set_inside(to, inside);
}

void FdTable::remove_range(unsigned first, unsigned last) {
  std::erase_if(inside_, [=](int fd) {
    return static_cast<unsigned>(fd) >= first && static_cast<unsigned>(fd) <= last;
  });
  for (std::size_t i = first; i < entries_.size() && i <= last; ++i) remove(static_cast<Fd>(i));
}

HostKind FdTable::host_kind(Fd fd) {
  if (raw(fd) < 0) return HostKind::kBad;
  const auto index = static_cast<std::size_t>(raw(fd));
  if (index < entries_.size() && entries_[index].kind != HostKind::kUnknown) {
    return entries_[index].kind;
  }
  const HostKind kind = ask_kind(fd);
  // A number that is not open may be opened behind our back at any time.
  if (kind != HostKind::kBad) entry(fd).kind = kind;
  return kind;
}

std::uint64_t FdTable::unsent() const {
  std::uint64_t total = 0;
  for (std::size_t fd = 0; fd < entries_.size(); ++fd) {
    if (entries_[fd].kind != HostKind::kSocket) continue;
    int bytes = 0;
    const bool is_tcp = host_call(SYS_ioctl, fd, SIOCOUTQNSD, &bytes).ok();
    if (is_tcp) total += static_cast<unsigned>(bytes);
  }
  return total;
}

void FdTable::become_child() {
  inside_.clear();
  for (Entry& entry : entries_) {
    if (entry.file && !entry.file->shared_by_host()) entry.file->copied = true;
  }
}

const char* FdTable::lost_by_exec() const {
  const char* kind = nullptr;
  for_each([&](Fd fd, File& file) {
    if (file.shared_by_host()) return;
    const Result<long> flags = host_call(SYS_fcntl, raw(fd), F_GETFD);
    if (flags.ok() && (flags.value() & FD_CLOEXEC) == 0) kind = file.kind();
  });
  return kind;
}

void FdTable::set_inside(Fd fd, bool inside) {
  if (inside) {
    inside_.insert(raw(fd));
  } else {
    inside_.erase(raw(fd));
  }
}

}  // namespace detent::fd

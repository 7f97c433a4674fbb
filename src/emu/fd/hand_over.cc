#include "emu/fd/hand_over.h"

#include <fcntl.h>
#include <sys/syscall.h>

#include <map>
#include <utility>
#include <vector>

#include "emu/arch/x86_64/host_call.h"
#include "emu/fd/epoll.h"

namespace detent::fd {
namespace {

// Ordered by first number, so that runs repeat.
std::vector<std::pair<FileRef, std::vector<Fd>>> files_with_numbers(const FdTable& fds) {
  std::vector<std::pair<FileRef, std::vector<Fd>>> files;
  std::map<const File*, std::size_t> place;
  fds.for_each([&](Fd fd, File& file) {
    const auto [found, is_new] = place.emplace(&file, files.size());
    if (is_new) files.push_back({FileRef(&file), {}});
    files[found->second].second.push_back(fd);
  });
  return files;
}

bool in_use(File& file) {
  bool watched = false;
  file.for_each_watcher([&](File::Watcher&) { watched = true; });
  return watched || !file.queue().empty();
}

bool all_close_on_exec(const std::vector<Fd>& numbers) {
  for (const Fd fd : numbers) {
    const Result<long> flags = arch::host_call(SYS_fcntl, raw(fd), F_GETFD);
    if (flags.ok() && (flags.value() & FD_CLOEXEC) == 0) return false;
  }
  return true;
}

// Registrations of `file` become the host's, under the number that they were made with if it still means
// the file.
void move_watchers(const FdTable& fds, File& file, Fd number) {
  std::vector<EpollItem*> items;
  file.for_each_watcher([&](File::Watcher& watcher) {
    items.push_back(static_cast<EpollItem*>(&watcher));  // there are no others
  });
  for (EpollItem* item : items) {
    const bool same = fds.get(item->fd()) == &file;
    item->owner().move_to_host(*item, same ? item->fd() : number);
  }
}

bool stays(File& file, const std::vector<Fd>& numbers, Sharing sharing) {
  switch (sharing) {
    case Sharing::kVfork:
      return in_use(file) && all_close_on_exec(numbers);
    case Sharing::kExec:
      return in_use(file) || all_close_on_exec(numbers);
    case Sharing::kFork:
    case Sharing::kSocket:
      return false;
  }
  return false;
}

}  // namespace

void hand_over_files(FdTable& fds, Sharing sharing, bool host_time) {
  for (const auto& [file, numbers] : files_with_numbers(fds)) {
    auto* const epoll = dynamic_cast<Epoll*>(file.get());
    if (epoll != nullptr && sharing != Sharing::kVfork) epoll->share(host_time);
    if (stays(*file, numbers, sharing)) continue;
    if (!file->hand_over(numbers.front(), host_time)) continue;
    file->handed_over = true;
    move_watchers(fds, *file, numbers.front());
    for (const Fd fd : numbers) fds.remove(fd);
    file->queue().notify(waitq::kAllEvents, 0);
  }
  fds.for_each([&](Fd, File& file) {
    const auto* epoll = dynamic_cast<const Epoll*>(&file);
    if (epoll != nullptr) fds.set_inside(Fd{epoll->host_fd()}, !epoll->watches_outside());
  });
}

}  // namespace detent::fd

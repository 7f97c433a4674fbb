#include "emu/fd/file.h"

namespace detent::fd {

File::~File() {
  // eventpoll_release_file() of fs/eventpoll.c: registrations end silently with the description.
  while (!watchers_.empty()) {
    Watcher& watcher = watchers_.front();
    watchers_.pop_front();
    watcher.file_gone();
  }
}

waitq::Attempt<std::size_t> File::read(std::span<std::byte> to) {
  static_cast<void>(to);
  return Errno{EINVAL};
}

bool File::hand_over(Fd placeholder, bool host_time) {
  static_cast<void>(placeholder);
  static_cast<void>(host_time);
  return false;
}

Result<void> File::check_write(std::size_t) const { return Errno{EINVAL}; }

waitq::Attempt<std::size_t> File::write(std::span<const std::byte> from) {
  static_cast<void>(from);
  return Errno{EINVAL};
}

}  // namespace detent::fd

// Epoll instances inside epoll instances: no cycles, and chains of five at most.
//
// Source: epoll_ctl(2) ELOOP; ep_loop_check() in fs/eventpoll.c. Not kept: the limits on the number of
// wake-up paths (reverse_path_check, EINVAL), which only thousands of nested instances reach.
#include <algorithm>

#include "emu/fd/epoll.h"

namespace detent::fd {
namespace {

constexpr unsigned kMaxNests = 4;

// Each walk has a number, so that an instance which is reached on many ways is measured once.
std::uint64_t walks = 0;

}  // namespace

// True if this instance must not watch `target`.
bool Epoll::closes_loop(Epoll& target) {
  ++walks;
  bool loop = false;
  const unsigned below = target.depth_below(*this, loop);
  if (loop || below > kMaxNests) return true;
  ++walks;
  return below + 1 + depth_above() > kMaxNests;
}

// The longest chain of instances below this one; `loop` if `root` is among them.
unsigned Epoll::depth_below(Epoll& root, bool& loop) {
  if (visit_ == walks) return depth_;
  visit_ = walks;
  depth_ = 0;
  unsigned depth = 0;
  for (const auto& [key, item] : items_) {
    auto* const inner = dynamic_cast<Epoll*>(&item->file());
    if (inner == nullptr) continue;
    if (inner == &root) loop = true;
    if (loop) break;
    depth = std::max(depth, inner->depth_below(root, loop) + 1);
  }
  depth_ = depth;
  return depth;
}

// The longest chain of instances that watch this one.
unsigned Epoll::depth_above() {
  if (visit_ == walks) return depth_;
  visit_ = walks;
  depth_ = 0;
  unsigned depth = 0;
  for_each_watcher([&](Watcher& watcher) {
    // EpollItem is the only Watcher there is.
    Epoll& outer = static_cast<EpollItem&>(watcher).owner();
    depth = std::max(depth, outer.depth_above() + 1);
  });
  depth_ = depth;
  return depth;
}

}  // namespace detent::fd

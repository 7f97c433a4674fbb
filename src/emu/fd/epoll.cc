#include "emu/fd/epoll.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <algorithm>

#include "detent/assert.h"
#include "emu/arch/x86_64/host_call.h"
#include "emu/arch/x86_64/kernel_fds.h"

namespace detent::fd {
namespace {

using arch::host_call;

constexpr std::uint32_t kInOut = EPOLLIN | EPOLLOUT;
// Bits of epoll_event.events that are no events (EP_PRIVATE_BITS).
constexpr std::uint32_t kPrivate = EPOLLWAKEUP | EPOLLONESHOT | EPOLLET | EPOLLEXCLUSIVE;
constexpr std::uint32_t kExclusiveMayHave =
    kInOut | EPOLLERR | EPOLLHUP | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE;

}  // namespace

EpollItem::EpollItem(Epoll& owner, File& file, Fd fd, const epoll_event& event)
    : Waiter(0, (event.events & EPOLLEXCLUSIVE) != 0), owner_(owner), file_(file), fd_(fd) {
  change(event);
}

void EpollItem::change(const epoll_event& event) {
  events_ = event.events | EPOLLERR | EPOLLHUP;
  data_ = event.data.u64;
  set_interest(events_ & ~kPrivate);
}

void EpollItem::disable() { events_ &= kPrivate; }

epoll_event EpollItem::ready_event() {
  epoll_event event{};
  event.events = file_.poll() & events_;
  event.data.u64 = data_;
  return event;
}

// ep_poll_callback().
bool EpollItem::wake(waitq::PollMask events) {
  const bool is_exclusive = (events_ & EPOLLEXCLUSIVE) != 0;
  if ((events & events_ & ~kPrivate) == 0) return !is_exclusive;
  if (events == waitq::kUntold) events = 0;
  const unsigned woken = owner_.item_ready(*this);
  if (!is_exclusive) return true;
  // An exclusive wake is used up only if it has woken somebody for an event that was asked for.
  const std::uint32_t in_or_out = events & kInOut;
  return woken != 0 && in_or_out != kInOut && (in_or_out == 0 || (in_or_out & events_) != 0);
}

void EpollItem::file_gone() {
  // Destroys this item.
  owner_.items_.erase({&file_, raw(fd_)});
}

std::size_t Epoll::KeyHash::operator()(const Key& key) const {
  // The order of the table is never seen, so an address may go into the hash.
  const std::size_t address = std::hash<const File*>()(key.file);
  return (address ^ (static_cast<std::size_t>(key.fd) << 20)) * 0x9e3779b97f4a7c15U;
}

bool Epoll::HostRelay::wake(waitq::PollMask events) {
  static_cast<void>(events);
  unlink();
  owner_.announce();
  return true;
}

Epoll::Epoll(sched::HostPoller& poller, int host_fd)
    : poller_(poller), host_fd_(host_fd), relay_(*this) {}

Epoll::~Epoll() {
  relay_.unlink();
  poller_.forget(Fd{host_fd_});
  arch::close_kernel_fd(host_fd_);
}

// The order of the checks is do_epoll_ctl()'s.
Result<void> Epoll::control(int op, Fd fd, File& target, epoll_event event) {
  if (&target == this) return Errno{EINVAL};
  auto* const inner = dynamic_cast<Epoll*>(&target);
  if (op != EPOLL_CTL_DEL && (event.events & EPOLLEXCLUSIVE) != 0) {
    if (op == EPOLL_CTL_MOD) return Errno{EINVAL};
    const bool allowed = inner == nullptr && (event.events & ~kExclusiveMayHave) == 0;
    if (op == EPOLL_CTL_ADD && !allowed) return Errno{EINVAL};
  }
  if (op == EPOLL_CTL_ADD && inner != nullptr && closes_loop(*inner)) return Errno{ELOOP};
  const Key key{&target, raw(fd)};
  const auto found = items_.find(key);
  switch (op) {
    case EPOLL_CTL_ADD:
      if (found != items_.end()) return Errno{EEXIST};
      return add(key, target, event);
    case EPOLL_CTL_DEL:
      if (found == items_.end()) return Errno{ENOENT};
      items_.erase(found);
      return {};
    case EPOLL_CTL_MOD:
      if (found == items_.end()) return Errno{ENOENT};
      return modify(*found->second, event);
    default:
      return Errno{EINVAL};
  }
}

Result<void> Epoll::add(const Key& key, File& target, const epoll_event& event) {
  auto owned = std::make_unique<EpollItem>(*this, target, Fd{key.fd}, event);
  EpollItem& item = *owned;
  items_.emplace(key, std::move(owned));
  // ep_ptable_queue_proc().
  if (item.exclusive()) {
    target.queue().add(item);
  } else {
    target.queue().add_first(item);
  }
  target.add_watcher(item);
  enqueue_if_ready(item);
  return {};
}

Result<void> Epoll::modify(EpollItem& item, const epoll_event& event) {
  if ((item.events() & EPOLLEXCLUSIVE) != 0) return Errno{EINVAL};
  item.change(event);
  enqueue_if_ready(item);
  return {};
}

void Epoll::enqueue_if_ready(EpollItem& item) {
  const bool linked = item.EpollReady::is_linked();
  if (item.ready_event().events != 0 && !linked) item_ready(item);
}

// Returns how many waiters used the news.
unsigned Epoll::item_ready(EpollItem& item) {
  if (!item.EpollReady::is_linked()) ready_.push_back(item);
  return announce();
}

unsigned Epoll::announce() {
  const unsigned woken = waiters_.notify(waitq::kIn);
  // ep_poll_safewake() says EPOLLIN only, though poll() shows EPOLLRDNORM too.
  return woken + queue().notify(waitq::kIn);
}

Result<void> Epoll::control_host(int op, Fd fd, const epoll_event& event, bool inside) {
  const Result<long> done = host_call(SYS_epoll_ctl, host_fd_, op, raw(fd), &event);
  if (!done.ok()) return done.error();
  // Members that the host drops by itself, at their last close, stay counted: that costs a needless
  // look at the host, no more.
  if (op == EPOLL_CTL_ADD) {
    if (host_members_++ == 0) ready_.push_back(host_turn_);
    if (!inside) ++outside_members_;
  } else if (op == EPOLL_CTL_DEL) {
    if (host_members_ != 0 && --host_members_ == 0) host_turn_.unlink();
    if (!inside && outside_members_ != 0) --outside_members_;
  }
  outside_members_ = std::min(outside_members_, host_members_);
  // Waiters look again, and by that watch the host instance.
  if (host_members_ != 0 && op != EPOLL_CTL_DEL && !(waiters_.empty() && queue().empty())) {
    watch_host();
  }
  return {};
}

void Epoll::move_to_host(EpollItem& item, Fd fd) {
  epoll_event event{};
  event.events = item.events();
  event.data.u64 = item.data();
  items_.erase({&item.file(), raw(item.fd())});
  // Fails only if the host has no memory or room for one more; then the member is lost, as if closed.
  static_cast<void>(control_host(EPOLL_CTL_ADD, fd, event, false));
}

void Epoll::share(bool host_time) {
  outside_members_ = host_members_;
  shared_ = true;
  if (!host_time || watches_all_) return;
  // Counted as a member that nobody ever removes.
  watches_all_ = true;
  if (host_members_++ == 0) ready_.push_back(host_turn_);
  ++outside_members_;
  if (!(waiters_.empty() && queue().empty())) watch_host();
}

// ep_send_events(). What is ready at the start has one turn each; level-triggered members line up again
// behind those that become ready meanwhile.
waitq::Attempt<std::size_t> Epoll::wait(std::size_t max, EventSink& sink) {
  DETENT_ASSERT(max > 0);
  ReadyList turns;
  turns.swap(ready_);
  std::size_t count = 0;
  bool fault = false;
  while (!turns.empty() && count < max && !fault) {
    EpollReady& next = turns.front();
    if (&next == &host_turn_) {
      turns.pop_front();
      ready_.push_back(next);
      count += take_host_turn(max - count, sink, fault);
      continue;
    }
    const Turn turn = take_turn(static_cast<EpollItem&>(next), sink);
    count += turn == Turn::kTaken ? 1U : 0U;
    fault = turn == Turn::kFault;
  }
  ready_.splice(ready_.begin(), turns);
  if (has_ready_items()) waiters_.notify(waitq::kIn);
  if (host_members_ != 0 && (count == 0 || !(waiters_.empty() && queue().empty()))) watch_host();
  if (count != 0) return count;
  if (fault) return Errno{EFAULT};
  return waitq::Blocked{&waiters_, waitq::kIn};
}

Epoll::Turn Epoll::take_turn(EpollItem& item, EventSink& sink) {
  const epoll_event event = item.ready_event();
  if (event.events != 0 && !sink.put(event)) return Turn::kFault;
  item.EpollReady::unlink();
  if (event.events == 0) return Turn::kNothing;
  if ((item.events() & EPOLLONESHOT) != 0) {
    item.disable();
  } else if ((item.events() & EPOLLET) == 0) {
    ready_.push_back(item);
  }
  return Turn::kTaken;
}

std::size_t Epoll::take_host_turn(std::size_t room, EventSink& sink, bool& fault) {
  // One host call: a second could return the same level-triggered members again, which no Linux does
  // within one epoll_wait.
  if (!watches_all_) room = std::min(room, std::size_t{host_members_});
  const Result<long> found =
      host_call(SYS_epoll_pwait, host_fd_, sink.place(room), room, 0, nullptr, 8);
  fault = !found.ok() && found.error() == Errno{EFAULT};
  const auto count = static_cast<std::size_t>(found.ok() ? found.value() : 0);
  sink.advance(count);
  return count;
}

waitq::Attempt<std::size_t> Epoll::wait(std::span<epoll_event> out) {
  class Into final : public EventSink {
   public:
    explicit Into(epoll_event* next) : next_(next) {}
    bool put(const epoll_event& event) override {
      *next_++ = event;
      return true;
    }
    epoll_event* place(std::size_t) override { return next_; }
    void advance(std::size_t count) override { next_ += count; }

   private:
    epoll_event* next_;
  } sink(out.data());
  return wait(out.size(), sink);
}

// Nobody is left to tell: the host instance need not be watched, so that a deadlock can be seen and
// virtual time need not wait for the host.
void Epoll::wait_ended() {
  if (waiters_.empty() && queue().empty()) relay_.unlink();
}

waitq::PollMask Epoll::poll() {
  const bool ready =
      find_ready_item() ||
      (host_members_ != 0 && sched::HostPoller::ready_now(Fd{host_fd_}, waitq::kIn) != 0);
  if (ready) return waitq::kIn | waitq::kRdNorm;
  // Whoever polls may be about to wait in queue().
  watch_host();
  return 0;
}

// fs/eventpoll.c ep_show_fdinfo(). All kinds of emulated file share one inode, the host's anonymous one.
std::string Epoll::fdinfo() {
  struct stat anonymous {};
  host_call(SYS_fstat, host_fd_, &anonymous).value();
  std::string lines;
  for (const auto& [key, item] : items_) {
    lines += fmt::format("tfd: {:8} events: {:8x} data: {:16x}  pos:0 ino:{:x} sdev:{:x}\n", key.fd,
                         item->events(), item->data(), anonymous.st_ino, anonymous.st_dev);
  }
  return lines;
}

// __ep_eventpoll_poll(): items that are not ready after all are dropped on the way.
bool Epoll::find_ready_item() {
  for (auto next = ready_.begin(); next != ready_.end();) {
    EpollReady& candidate = *next++;
    if (&candidate == &host_turn_) continue;
    if (static_cast<EpollItem&>(candidate).ready_event().events != 0) return true;
    candidate.unlink();
  }
  return false;
}

bool Epoll::has_ready_items() const {
  if (ready_.empty()) return false;
  return &ready_.front() != &host_turn_ || &ready_.back() != &host_turn_;
}

void Epoll::watch_host() {
  if (host_members_ == 0) return;
  waitq::WaitQueue& news = poller_.watch(Fd{host_fd_}, waitq::kIn);
  if (!relay_.is_linked()) news.add(relay_);
}

}  // namespace detent::fd

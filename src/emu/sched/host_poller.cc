#include "emu/sched/host_poller.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <utility>
#include <vector>

#include "detent/assert.h"
#include "emu/arch/x86_64/host_call.h"
#include "emu/arch/x86_64/interrupts.h"
#include "emu/arch/x86_64/kernel_fds.h"

namespace detent::sched {

using arch::host_call;

HostPin::HostPin(HostPoller& poller, Fd& fd) : poller_(poller), fd_(fd) {
  poller.pins_.push_back(*this);
}

HostPin::~HostPin() {
  unlink();
  poller_.close_orphans();
}

HostPoller::HostPoller() { open_epoll(); }
HostPoller::~HostPoller() { arch::close_kernel_fd(epoll_fd_); }

void HostPoller::open_epoll() {
  const arch::KernelFdRoom room;
  const int fd = static_cast<int>(host_call(SYS_epoll_create1, EPOLL_CLOEXEC).value());
  epoll_fd_ = arch::to_kernel_fd(fd).value();
  if (doorbell_ >= 0) watch_doorbell();
}

void HostPoller::set_doorbell(int fd) {
  doorbell_ = fd;
  watch_doorbell();
}

void HostPoller::watch_doorbell() {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;
  event.data.fd = doorbell_;
  host_call(SYS_epoll_ctl, epoll_fd_, EPOLL_CTL_ADD, doorbell_, &event).value();
}

std::unique_ptr<HostPoller::Watch>& HostPoller::slot_of(Fd fd) {
  std::unique_ptr<Watch>& slot = watches_[raw(fd)];
  if (slot != nullptr) return slot;
  slot = std::make_unique<Watch>();
  struct stat status {};
  if (host_call(SYS_fstat, raw(fd), &status).ok()) slot->inode = status.st_ino;
  return slot;
}

const waitq::WaitQueue* HostPoller::queue_of(Fd fd) const {
  const auto found = watches_.find(raw(fd));
  return found == watches_.end() ? nullptr : &found->second->queue;
}

waitq::WaitQueue& HostPoller::watch(Fd fd, waitq::PollMask events) {
  std::unique_ptr<Watch>& slot = slot_of(fd);
  if (slot->queue.empty()) slot->since = ++arrivals_;
  const waitq::PollMask wanted = slot->armed | events;
  if (wanted == slot->armed) return slot->queue;
  epoll_event event{};
  event.events = wanted | EPOLLONESHOT;
  event.data.fd = raw(fd);
  const int op = slot->added ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
  Result<long> done = host_call(SYS_epoll_ctl, epoll_fd_, op, raw(fd), &event);
  // The number may have been closed behind our back (by a host call that closes), or still be there.
  if (!done.ok() && done.error() == Errno{ENOENT}) {
    done = host_call(SYS_epoll_ctl, epoll_fd_, EPOLL_CTL_ADD, raw(fd), &event);
  } else if (!done.ok() && done.error() == Errno{EEXIST}) {
    done = host_call(SYS_epoll_ctl, epoll_fd_, EPOLL_CTL_MOD, raw(fd), &event);
  }
  if (!done.ok()) return slot->queue;
  if (slot->armed == 0) ++armed_;
  slot->armed = wanted;
  slot->added = true;
  return slot->queue;
}

waitq::PollMask HostPoller::ready_now(Fd fd, waitq::PollMask events) {
  pollfd entry{raw(fd), static_cast<short>(events), 0};
  const timespec zero{0, 0};
  // Even a look that does not wait is ended by a signal, such as our own timer's.
  arch::host_call_to_the_end(SYS_ppoll, &entry, 1, &zero, nullptr, 8).value();
  return static_cast<unsigned short>(entry.revents);
}

void HostPoller::forget(Fd fd) {
  const auto found = watches_.find(raw(fd));
  if (found == watches_.end()) return;
  std::unique_ptr<Watch> watch = std::move(found->second);
  watches_.erase(found);
  // Fails if the last reference to the description is gone already; then so is the registration.
  static_cast<void>(host_call(SYS_epoll_ctl, epoll_fd_, EPOLL_CTL_DEL, raw(fd), nullptr));
  if (watch->armed != 0) --armed_;
  const bool pinned = std::ranges::any_of(pins_, [&](HostPin& pin) { return pin.fd_ == fd; });
  if (pinned || !watch->queue.empty()) make_orphan(fd, std::move(watch));
}

void HostPoller::make_orphan(Fd fd, std::unique_ptr<Watch> watch) {
  const Result<long> copy = host_call(SYS_dup, raw(fd));
  const Result<int> moved =
      copy.ok() ? arch::to_kernel_fd(static_cast<int>(copy.value())) : Result<int>(copy.error());
  if (!moved.ok()) {  // no number is left: who waits looks again at the old one
    watch->queue.notify(waitq::kAllEvents | waitq::kNval, ~0U);
    return;
  }
  const Fd orphan{moved.value()};
  const waitq::PollMask wanted = std::exchange(watch->armed, 0);
  watch->added = false;
  watch->inside = is_inside(raw(fd), *watch);
  for (HostPin& pin : pins_) {
    if (pin.fd_ == fd) pin.fd_ = orphan;
  }
  watches_[raw(orphan)] = std::move(watch);
  orphans_.push_back(raw(orphan));
  if (wanted != 0) static_cast<void>(this->watch(orphan, wanted));
}

void HostPoller::close_unused_orphans() {
  std::erase_if(orphans_, [&](int number) {
    const auto found = watches_.find(number);
    const auto uses = [&](HostPin& pin) { return raw(pin.fd_) == number; };
    if (!found->second->queue.empty() || std::ranges::any_of(pins_, uses)) return false;
    if (found->second->armed != 0) --armed_;
    watches_.erase(found);
    arch::close_kernel_fd(number);
    return true;
  });
}

bool HostPoller::is_inside(int fd, const Watch& watch) const {
  return watch.inside || (is_inside_ && is_inside_(Fd{fd}));
}

void HostPoller::forget_range(unsigned first, unsigned last) {
  std::vector<int> numbers;
  for (const auto& [fd, watch] : watches_) {
    const auto number = static_cast<unsigned>(fd);
    if (number >= first && number <= last && !arch::is_kernel_fd(fd)) numbers.push_back(fd);
  }
  std::ranges::sort(numbers);
  for (const int fd : numbers) forget(Fd{fd});
}

template <class Test>
bool HostPoller::any_watch(Test test) const {
  return armed_ != 0 && std::any_of(watches_.begin(), watches_.end(), [&](const auto& entry) {
           return entry.second->armed != 0 && !entry.second->queue.empty() &&
                  test(entry.first, *entry.second);
         });
}

bool HostPoller::watching() const {
  return retrying_ != 0 || any_watch([](int, const Watch&) { return true; });
}

bool HostPoller::watching_outside() const {
  return retrying_ != 0 ||
         any_watch([&](int fd, const Watch& watch) { return !is_inside(fd, watch); });
}

unsigned HostPoller::wait(std::optional<Duration> timeout) {
  timespec span{};
  if (timeout) {
    span.tv_sec = timeout->ns() / kNanosPerSecond;
    span.tv_nsec = timeout->ns() % kNanosPerSecond;
  }
  pollfd entry{epoll_fd_, POLLIN, 0};
  // ppoll rather than epoll_pwait2: the latter is younger than the oldest host we support (5.9).
  const long ready = arch::host_syscall_interruptible(SYS_ppoll, arch::host_arg(&entry), 1,
                                                      timeout ? arch::host_arg(&span) : 0, 0, 8);
  if (ready <= 0) return 0;
  std::array<epoll_event, 64> events;
  const long count =
      host_call(SYS_epoll_pwait, epoll_fd_, events.data(), events.size(), 0, nullptr, 8).value();
  std::array<Event, 64> found;
  std::size_t size = 0;
  for (const epoll_event& event : std::span(events).first(static_cast<std::size_t>(count))) {
    const auto watch = watches_.find(event.data.fd);
    if (watch == watches_.end()) continue;
    found[size++] = {watch->second.get(), Fd{event.data.fd}, event.events};
  }
  put_in_order(std::span(found).first(size));
  for (const Event& event : std::span(found).first(size)) tell(event);
  return static_cast<unsigned>(count);
}

// Those who wait for one file, under several numbers, are told in the order in which they came; the host
// tells the latest first.
void HostPoller::put_in_order(std::span<Event> events) {
  for (std::size_t i = 1; i < events.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      const bool same_file = events[i].watch->inode == events[j].watch->inode;
      if (same_file && events[i].watch->since < events[j].watch->since) {
        std::swap(events[i], events[j]);
      }
    }
  }
}

void HostPoller::tell(const Event& event) {
  Watch& watch = *event.watch;
  // The one shot disarmed every interest in the fd: those that did not fire are armed again.
  const waitq::PollMask left = watch.armed & ~event.events;
  if (watch.armed != 0) --armed_;
  watch.armed = 0;
  watch.queue.notify(event.events, ~0U);
  const bool all_know = (event.events & waitq::kAlways) != 0;
  if (left != 0 && !all_know && !watch.queue.empty()) this->watch(event.fd, left);
}

void HostPoller::reset_after_fork() {
  arch::close_kernel_fd(epoll_fd_);
  for (const int orphan : orphans_) arch::close_kernel_fd(orphan);
  orphans_.clear();
  pins_.clear();
  watches_.clear();
  armed_ = 0;
  retrying_ = 0;
  open_epoll();
}

}  // namespace detent::sched

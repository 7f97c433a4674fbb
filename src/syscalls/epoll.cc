#include "syscalls/epoll.h"

#include <fcntl.h>
#include <sys/syscall.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "emu/arch/x86_64/host_call.h"
#include "emu/arch/x86_64/kernel_fds.h"
#include "emu/fd/epoll.h"
#include "emu/kernel/kernel.h"
#include "emu/mem/user_copy_unsafe.h"
#include "emu/sched/multi_wait.h"
#include "syscalls/files.h"
#include "syscalls/wait_args.h"

namespace detent::syscalls {
namespace {

using arch::host_call;
using fd::Epoll;

// EP_MAX_EVENTS.
constexpr int kMaxEvents = std::numeric_limits<int>::max() / static_cast<int>(sizeof(epoll_event));

// Puts events into guest memory, one after the other.
class UserEvents final : public fd::EventSink {
 public:
  explicit UserEvents(UserPtr<epoll_event> next) : next_(next) {}
  bool put(const epoll_event& event) override {
    if (!mem::copy_out(next_, event).ok()) return false;
    advance(1);
    return true;
  }
  epoll_event* place(std::size_t room) override {
    const bool ours = mem::is_kernel_range(next_.address(), room * sizeof(epoll_event));
    return ours ? nullptr : static_cast<epoll_event*>(mem::guest_pointer(next_.address()));
  }
  void advance(std::size_t count) override { next_ = next_.at(count); }

 private:
  UserPtr<epoll_event> next_;
};

// The instance moves up to the kernel's fds; the guest gets a duplicate, at the number that it had.
Result<long> create(Task& task, Result<long> made, int flags) {
  const int number = static_cast<int>(TRY(made));
  const int host_fd = TRY(arch::to_kernel_fd(number));
  const int duplicate = (flags & EPOLL_CLOEXEC) != 0 ? F_DUPFD_CLOEXEC : F_DUPFD;
  const Result<long> placeholder = host_call(SYS_fcntl, host_fd, duplicate, 0);
  fd::FileRef file(new Epoll(task.kernel().poller(), host_fd));
  return install_file(task, TRY(placeholder), std::move(file), false);
}

// Asks what only an instance answers: is its own poller a member? ENOENT; anything else says EINVAL.
bool is_host_instance(Task& task, Fd fd) {
  const int poller = task.kernel().poller().host_fd();
  const Result<long> asked = host_call(SYS_epoll_ctl, raw(fd), EPOLL_CTL_DEL, poller, nullptr);
  return !asked.ok() && asked.error() == Errno{ENOENT};
}

// The instance behind `fd`; null for something else. One that came over execve or a socket is a host
// file until it is first used.
Result<Epoll*> instance_behind(Task& task, Fd fd) {
  fd::File* const file = TRY(usable_file(task, fd));
  if (file != nullptr || !is_host_instance(task, fd)) return dynamic_cast<Epoll*>(file);
  const int duplicate = static_cast<int>(TRY(host_call(SYS_fcntl, raw(fd), F_DUPFD_CLOEXEC, 0)));
  const int host_fd = TRY(arch::to_kernel_fd(duplicate));
  const boost::intrusive_ptr<Epoll> epoll(new Epoll(task.kernel().poller(), host_fd));
  epoll->share(true);
  task.process().fds().install(fd, epoll);
  return epoll.get();
}

// do_epoll_wait()'s checks, in its order.
Result<Epoll*> epoll_to_wait_on(Task& task, Fd epfd, UserPtr<epoll_event> events, int max_events) {
  Epoll* const epoll = TRY(instance_behind(task, epfd));
  if (max_events <= 0 || max_events > kMaxEvents) return Errno{EINVAL};
  const std::uint64_t size = static_cast<std::uint64_t>(max_events) * sizeof(epoll_event);
  if (!in_user_space(events.address(), size)) return Errno{EFAULT};
  if (epoll == nullptr) return Errno{EINVAL};
  return epoll;
}

// Events that are ready together are told in the order in which they became ready, and that two processors
// can make either: another one may come first.
void choose_first(Task& task, UserPtr<epoll_event> events, std::size_t count) {
  const auto options = static_cast<std::uint32_t>(count);
  const std::uint32_t first = task.kernel().chooser().choose(trace::Choice::kBatchOrder, options);
  if (first == 0) return;
  std::vector<epoll_event> batch(count);
  const std::size_t size = count * sizeof(epoll_event);
  if (!mem::copy_in_bytes(batch.data(), events.address(), size).ok()) return;
  std::rotate(batch.begin(), batch.begin() + first, batch.begin() + first + 1);
  static_cast<void>(mem::copy_out_bytes(events.address(), batch.data(), size));
}

// signal(7): epoll_wait fails with EINTR after a stop and SIGCONT, without any handler.
bool is_stopped_and_continued(Task& task) {
  return task.kernel().chooser().choose(trace::Choice::kEintr, 2) != 0;
}

// ep_poll(): an event wins over a time-out, a time-out over a signal. Waiters are exclusive.
Result<long> wait_for_events(Task& task, Epoll& epoll, UserPtr<epoll_event> events, int max_events,
                             const Timeout& timeout, Fd epfd) {
  sched::WaitRules rules;
  rules.deadline = timeout.deadline;
  rules.what = "epoll_wait";
  rules.object = static_cast<std::uint64_t>(raw(epfd));
  sched::Wake wake = timeout.never_waits ? sched::Wake::kTimedOut : sched::Wake::kWoken;
  for (;;) {
    UserEvents sink(events);
    waitq::Attempt<std::size_t> tried = epoll.wait(static_cast<std::size_t>(max_events), sink);
    if (!tried.blocked()) {
      const std::size_t count = TRY(std::move(tried).result());
      choose_first(task, events, count);
      return static_cast<long>(count);
    }
    if (wake == sched::Wake::kTimedOut) return 0;
    if (wake == sched::Wake::kInterrupted || is_stopped_and_continued(task)) return Errno{EINTR};
    sched::MultiWait wait(task.kernel().scheduler(), task);
    wait.add(*tried.blocked_on().queue, tried.blocked_on().events, /*exclusive=*/true);
    wake = wait.park(rules);
  }
}

Result<long> epoll_wait(Task& task, Fd epfd, UserPtr<epoll_event> events, int max_events,
                        const Timeout& timeout) {
  const boost::intrusive_ptr<Epoll> epoll(TRY(epoll_to_wait_on(task, epfd, events, max_events)));
  const Result<long> result = wait_for_events(task, *epoll, events, max_events, timeout, epfd);
  epoll->wait_ended();
  return result;
}

Result<long> epoll_pwait(Task& task, Fd epfd, UserPtr<epoll_event> events, int max_events,
                         const Timeout& timeout, UserPtr<const std::uint64_t> mask,
                         std::uint64_t mask_size) {
  TRY(set_temporary_mask(task, mask, mask_size));
  const Result<long> result = epoll_wait(task, epfd, events, max_events, timeout);
  end_temporary_mask(task, !result.ok() && result.error() == Errno{EINTR});
  return result;
}

}  // namespace

Result<long> sys_epoll_create(Task& task, int size) {
  return create(task, host_call(SYS_epoll_create, size), 0);
}

Result<long> sys_epoll_create1(Task& task, int flags) {
  return create(task, host_call(SYS_epoll_create1, flags), flags);
}

Result<long> sys_epoll_ctl(Task& task, Fd epfd, int op, Fd fd, UserPtr<const epoll_event> event) {
  epoll_event wanted{};
  if (op != EPOLL_CTL_DEL) wanted = TRY(mem::copy_in(event));
  Epoll* const epoll = TRY(instance_behind(task, epfd));
  fd::File* const target = TRY(usable_file(task, fd));
  // Not ours: the host finds what is wrong, in its own order.
  if (epoll == nullptr) return host_call(SYS_epoll_ctl, raw(epfd), op, raw(fd), &wanted);
  if (target != nullptr) {
    TRY(epoll->control(op, fd, *target, wanted));
    return 0;
  }
  fd::FdTable& fds = task.process().fds();
  TRY(epoll->control_host(op, fd, wanted, fds.is_inside(fd)));
  fds.set_inside(static_cast<Fd>(epoll->host_fd()), !epoll->watches_outside());
  return 0;
}

Result<long> sys_epoll_wait(Task& task, Fd epfd, UserPtr<epoll_event> events, int max_events,
                            int timeout_ms) {
  return epoll_wait(task, epfd, events, max_events, timeout_after_ms(task, timeout_ms));
}

Result<long> sys_epoll_pwait(Task& task, Fd epfd, UserPtr<epoll_event> events, int max_events,
                             int timeout_ms, UserPtr<const std::uint64_t> mask,
                             std::uint64_t mask_size) {
  const Timeout timeout = timeout_after_ms(task, timeout_ms);
  return epoll_pwait(task, epfd, events, max_events, timeout, mask, mask_size);
}

Result<long> sys_epoll_pwait2(Task& task, Fd epfd, UserPtr<epoll_event> events, int max_events,
                              UserPtr<timespec> timeout, UserPtr<const std::uint64_t> mask,
                              std::uint64_t mask_size) {
  const Timeout until = TRY(read_timeout(task, timeout));
  return epoll_pwait(task, epfd, events, max_events, until, mask, mask_size);
}

}  // namespace detent::syscalls

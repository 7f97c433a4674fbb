#include "syscalls/poll_set.h"

#include <sys/syscall.h>

#include <algorithm>

#include "emu/arch/x86_64/host_call.h"
#include "emu/arch/x86_64/kernel_fds.h"
#include "emu/kernel/kernel.h"
#include "syscalls/files.h"

namespace detent::syscalls {
namespace {

bool is_host(const PollSet::Entry& entry) { return raw(entry.fd) >= 0 && !entry.file; }

}  // namespace

Result<std::size_t> PollSet::scan() {
  TRY(look_up_files());
  ask_host();
  std::size_t ready = 0;
  for (Entry& entry : entries_) {
    if (entry.file) entry.revents = entry.file->poll() & (entry.interest | waitq::kAlways);
    if ((entry.revents & entry.relevant) != 0) ++ready;
  }
  return ready;
}

// Each time anew, as do_pollfd() does: a number may have been closed during the wait.
Result<void> PollSet::look_up_files() {
  const fd::FdTable& fds = task_.process().fds();
  for (Entry& entry : entries_) {
    entry.revents = 0;
    entry.file = raw(entry.fd) >= 0 ? fds.get(entry.fd) : nullptr;
    if (entry.file && entry.file->copied) TRY(usable_file(task_, entry.fd));
  }
  return {};
}

void PollSet::ask_host() {
  host_.clear();
  for (const Entry& entry : entries_) {
    if (!is_host(entry)) continue;
    // The kernel's own fds are invisible: the host is not asked, and the answer is that of a closed one.
    const bool hidden = arch::is_kernel_fd(raw(entry.fd));
    host_.push_back({hidden ? -1 : raw(entry.fd), static_cast<short>(entry.interest), 0});
  }
  if (host_.empty()) return;
  const timespec zero{0, 0};
  // Even a look that does not wait is ended by a signal, such as our own timer's.
  arch::host_call_to_the_end(SYS_ppoll, host_.data(), host_.size(), &zero, nullptr, 8).value();
  auto answer = host_.cbegin();
  for (Entry& entry : entries_) {
    if (!is_host(entry)) continue;
    entry.revents = answer->fd < 0 ? waitq::kNval : static_cast<unsigned short>(answer->revents);
    ++answer;
  }
}

Result<std::size_t> PollSet::wait(const Timeout& timeout, const char* what) {
  const Result<std::size_t> ready = wait_in_queues(timeout, what);
  for (const Entry& entry : entries_) {
    if (entry.awaited) entry.awaited->wait_ended();
    if (entry.file) entry.file->wait_ended();
  }
  // Numbers may have been closed, and we were the last to wait: like poll_freewait(), after the last look.
  task_.kernel().poller().close_orphans();
  return ready;
}

Result<std::size_t> PollSet::wait_in_queues(const Timeout& timeout, const char* what) {
  sched::WaitRules rules;
  rules.deadline = timeout.deadline;
  rules.what = what;
  rules.object = entries_.empty() ? 0 : static_cast<std::uint64_t>(raw(entries_.front().fd));
  sched::Wake wake = timeout.never_waits ? sched::Wake::kTimedOut : sched::Wake::kWoken;
  sched::MultiWait wait(task_.kernel().scheduler(), task_);
  for (;;) {
    const std::size_t ready = TRY(scan());
    if (ready != 0) return ready;
    if (task_.signal_pending || wake == sched::Wake::kInterrupted) return kRestartNoHand;
    if (wake == sched::Wake::kTimedOut) return std::size_t{0};
    join_queues(wait);
    wake = wait.park(rules);
  }
}

// Once for each entry; later only a file that has become the host's, by a fork, is joined anew.
void PollSet::join_queues(sched::MultiWait& wait) {
  for (Entry& entry : entries_) {
    if (entry.awaited && !entry.awaited->handed_over) continue;
    const waitq::PollMask interest = entry.interest | waitq::kAlways;
    if (is_host(entry)) {
      join_host_queue(wait, entry, interest);
    } else if (entry.file && entry.host_queue == nullptr) {
      entry.awaited = entry.file;
      wait.add(entry.file->queue(), interest);
    }
  }
}

// The watch is one-shot: it is armed anew each time, but only for the file that was joined. An entry with
// events that do not count (a hang-up, for select's exceptfds) is left out: it would wake us for ever.
void PollSet::join_host_queue(sched::MultiWait& wait, Entry& entry, waitq::PollMask interest) {
  sched::HostPoller& poller = task_.kernel().poller();
  const bool joined = entry.host_queue != nullptr;
  if (joined && poller.queue_of(entry.fd) != entry.host_queue) return;
  waitq::WaitQueue& queue = poller.watch(entry.fd, entry.revents == 0 ? interest : 0);
  if (joined) return;
  entry.host_queue = &queue;
  wait.add(queue, interest | waitq::kNval);
}

}  // namespace detent::syscalls

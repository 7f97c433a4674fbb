#include "syscalls/host_wait.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include <algorithm>

#include "emu/arch/x86_64/host_call.h"
#include "emu/kernel/kernel.h"

namespace detent::syscalls {
namespace {

// Ends one pause of retry_paced(); outside Linux's errnos and the restart codes.
constexpr Errno kPauseOver{4095};

constexpr Duration kFirstPause = Duration::microseconds(20);
constexpr Duration kLongestPause = Duration::milliseconds(1);
// Alone in virtual time nobody outside is likely to act, and each pause costs host time: where this
// process's own changes are notified, let the others' sleeps go by.
constexpr Duration kLongestVirtualPause = Duration::seconds(60);

// A host signal may end even a call that cannot block; the guest's signals are not the host's.
long try_once(const HostTry& call) {
  long answer = call();
  while (answer == -EINTR) answer = call();
  return answer;
}

Duration longest_pause(emu::Kernel& kernel, bool notified) {
  const bool alone = kernel.time_is_virtual() && !kernel.outside_active();
  return alone && notified ? kLongestVirtualPause : kLongestPause;
}

// Tells readiness that means nothing: woken and ready, and still the call would block. Once may be a
// race with another process; twice in a row is not.
class FalseAlarm {
 public:
  bool judge(const HostEvent& event) {
    const waitq::PollMask wanted = event.events | waitq::kAlways;
    const bool ready = (sched::HostPoller::ready_now(event.fd, event.events) & wanted) != 0;
    in_a_row_ = ready ? in_a_row_ + 1 : 0;
    return in_a_row_ >= 2;
  }

 private:
  int in_a_row_ = 0;
};

// Waits for readiness before every try. Sets `misled` if readiness proves to mean nothing.
Result<long> wait_then_try(Task& task, const HostEvent& event, const sched::WaitRules& rules,
                           const HostTry& call, bool& misled) {
  bool first = true;
  FalseAlarm alarm;
  const auto attempt = [&]() -> waitq::Attempt<long> {
    if (!std::exchange(first, false)) {
      const long answer = try_once(call);
      if (answer != -event.again.value) return arch::to_result(answer);
      misled = alarm.judge(event);
      if (misled) return event.again;
    }
    // What became ready since the last try is reported at once: arming looks at the present state.
    waitq::WaitQueue& queue = task.kernel().poller().watch(event.fd, event.events);
    return waitq::Blocked{&queue, event.events | waitq::kNval};
  };
  return sched::block_until<long>(task.kernel().scheduler(), task, rules, attempt);
}

// A call that waits for a change made in this process. Whoever makes it tries the call at once, as Linux
// does for semop(2) and msgrcv(2) (do_smart_update(), pipelined_send()): what it released belongs to the
// first in line, and it cannot take it back before that task runs.
class HandOff final : public waitq::Waiter {
 public:
  HandOff(Task& task, Errno again, const HostTry& call)
      : Waiter(waitq::kAllEvents), task_(task), again_(again), call_(call) {}
  /// Set once the call has been made for the task.
  [[nodiscard]] const std::optional<long>& answer() const { return answer_; }

 private:
  bool wake(waitq::PollMask) override {
    if (answer_) return false;
    const long answer = try_once(call_);
    if (answer == -again_.value) return false;
    answer_ = answer;
    task_.kernel().scheduler().make_ready(task_);
    return true;
  }
  Task& task_;
  Errno again_;
  const HostTry& call_;
  std::optional<long> answer_;
};

// `rules` for one pause: its end, or the call's own deadline if that comes first.
sched::WaitRules rules_of_pause(emu::Kernel& kernel, const sched::WaitRules& rules,
                                Duration pause) {
  const Instant<Monotonic> end = kernel.clocks().monotonic() + pause;
  if (rules.deadline &&
      kernel.clocks().to_monotonic(rules.deadline->base, rules.deadline->when) <= end) {
    return rules;
  }
  sched::WaitRules step = rules;
  step.deadline = sched::Deadline{timebase::Base::kMonotonic, end.ns()};
  step.on_timeout = kPauseOver;
  return step;
}

// A read of its controlling terminal by a process in the background: the host stops or refuses it at once
// (drivers/tty/tty_jobctrl.c __tty_check_change()), whether there is something to read or not.
bool is_background_read(Fd fd, waitq::PollMask events) {
  int foreground = 0;
  return events == waitq::kIn && arch::host_call(SYS_ioctl, raw(fd), TIOCGPGRP, &foreground).ok() &&
         arch::host_call(SYS_getpgid, 0).value() != foreground;
}

// EINTR comes of SIGTTIN and SIGTTOU, which the host sent for this very call.
Result<long> call_now(const HostTry& call) {
  const long answer = call();
  if (answer == -EINTR) return kRestartSys;
  return arch::to_result(answer);
}

}  // namespace

bool host_nonblocking(Fd fd) {
  const Result<long> flags = arch::host_call(SYS_fcntl, raw(fd), F_GETFL);
  return flags.ok() && (flags.value() & O_NONBLOCK) != 0;
}

Result<long> wait_then_call(Task& task, const Fd& fd, waitq::PollMask events, const char* what,
                            const HostTry& call) {
  emu::Kernel& kernel = task.kernel();
  const fd::HostKind kind = task.process().fds().host_kind(fd);
  if (kind == fd::HostKind::kNeverBlocks || kind == fd::HostKind::kBad) {
    return arch::to_result(call());
  }
  // Looked up at the first try that would block; a change during the wait is not seen.
  std::optional<bool> nonblocking;
  const auto attempt = [&]() -> waitq::Attempt<long> {
    const waitq::PollMask wanted = events | waitq::kAlways;
    if ((sched::HostPoller::ready_now(fd, events) & wanted) != 0) return call_now(call);
    if (!nonblocking) nonblocking = host_nonblocking(fd);
    if (*nonblocking) return call_now(call);
    if (kind == fd::HostKind::kOther && is_background_read(fd, events)) return call_now(call);
    return waitq::Blocked{&kernel.poller().watch(fd, events), events | waitq::kNval};
  };
  sched::WaitRules rules;
  rules.what = what;
  rules.object = static_cast<std::uint64_t>(raw(fd));
  return sched::block_until<long>(kernel.scheduler(), task, rules, attempt);
}

Result<long> try_then_wait(Task& task, const HostEvent& event, const WaitChoice& choose,
                           const HostTry& call) {
  const long answer = try_once(call);
  if (answer != -event.again.value) return arch::to_result(answer);
  const std::optional<sched::WaitRules> rules = choose();
  if (!rules) return event.again;
  bool misled = false;
  const Result<long> result = wait_then_try(task, event, *rules, call, misled);
  if (!misled) return result;
  return retry_paced(task, event.again, *rules, nullptr, call);
}

Result<long> retry_paced(Task& task, Errno again, const sched::WaitRules& rules,
                         waitq::WaitQueue* changed, const HostTry& call) {
  emu::Kernel& kernel = task.kernel();
  waitq::WaitQueue nobody;
  HandOff hand_off(task, again, call);
  const auto attempt = [&]() -> waitq::Attempt<long> {
    const long answer = hand_off.answer() ? *hand_off.answer() : try_once(call);
    if (answer != -again.value) return arch::to_result(answer);
    // Linked after the first try, so that it keeps its place in line over all pauses.
    if (changed != nullptr && !hand_off.is_linked()) changed->add(hand_off);
    return waitq::Blocked{&nobody, waitq::kAllEvents};
  };
  const sched::HostRetryScope retrying(kernel.poller());
  for (Duration pause = kFirstPause;;
       pause = std::min(pause + pause, longest_pause(kernel, changed != nullptr))) {
    const sched::WaitRules step = rules_of_pause(kernel, rules, pause);
    const Result<long> result = sched::block_until<long>(kernel.scheduler(), task, step, attempt);
    if (result.ok() || !(result.error() == kPauseOver)) return result;
  }
}

sched::Deadline deadline_after(Task& task, Duration timeout) {
  const Instant<Monotonic> when = task.kernel().clocks().monotonic() + timeout;
  return {timebase::Base::kMonotonic, when.ns()};
}

NonblockScope::NonblockScope(Fd fd) : fd_(raw(fd)) {
  const Result<long> flags = arch::host_call(SYS_fcntl, fd_, F_GETFL);
  if (!flags.ok() || (flags.value() & O_NONBLOCK) != 0) return;
  flags_ = flags.value();
  static_cast<void>(arch::host_call(SYS_fcntl, fd_, F_SETFL, flags_ | O_NONBLOCK));
}

NonblockScope::~NonblockScope() {
  if (flags_ >= 0) static_cast<void>(arch::host_call(SYS_fcntl, fd_, F_SETFL, flags_));
}

}  // namespace detent::syscalls

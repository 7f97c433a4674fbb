// The host's tick, for guest code that goes on and on without entering the kernel.
#include "emu/sched/scheduler.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "emu/arch/x86_64/interrupts.h"

namespace detent::sched {
namespace {

constexpr Duration kTickLength = Duration::milliseconds(4);
// Real programs compute for a tick or two between system calls, waiting for nothing.
constexpr unsigned kQuietTicks = 10;
// In a run that is to be repeated a tick is the last resort: for loops that wait for another task without a
// system call, which would never end.
constexpr unsigned kRecordedQuietTicks = 25;
// So many of the last ticks are looked at for whether the guest goes round in a circle.
constexpr std::size_t kTicksSeen = 64;

}  // namespace

void Scheduler::take_ticks(Task& current) {
  const unsigned ticks = arch::take_ticks();
  if (ticks == 0) return;
  stats_.ticks += ticks;
  owner_.take_session_wakes();
  if (virtual_clock_ != nullptr) return take_ticks_virtual(current, ticks);
  // It may have been the alarm, and even a little early by our clock: it is asked for again if need be.
  alarm_ = Instant<Monotonic>::max();
  if (poller_.watching()) poller_.wait(Duration());
  expire_due();
  give_way(current, true);
}

// Guest code that goes on and on without entering the kernel: time has to pass for it, or a loop that
// waits for a timer's signal or for another task would never end. The one place where virtual time depends
// on the host's, so it is kept for loops that are long, and where there is something to wait for.
void Scheduler::take_ticks_virtual(Task& current, unsigned ticks) {
  const bool quiet = std::exchange(entries_since_tick_, 0) == 0;
  quiet_ticks_ = quiet ? quiet_ticks_ + ticks : 0;
  if (!quiet) seen_.clear();
  const bool own_wait = !ready_.empty() || timers_.next_deadline();
  if (!own_wait && !turns_.active()) return;
  // Where time is the session's, it is not for one process to jump.
  const bool alone = chooser_.active() && !turns_.active();
  if (alone && seen_before(current)) return leave_spinning(current);
  if (quiet_ticks_ < (chooser_.active() || !own_wait ? kRecordedQuietTicks : kQuietTicks)) return;
  ++stats_.host_preemptions;
  virtual_clock_->charge(Duration::nanoseconds(kTickLength.ns() * std::exchange(quiet_ticks_, 0)));
  expire_due();
  give_way(current, true);
}

// Twice at one place with equal registers and no system call in between: a loop that waits for somebody, as
// far as one can tell from outside.
bool Scheduler::seen_before(const Task& current) {
  const arch::UserRegs& now = current.user.regs;
  const auto same = [&](const arch::UserRegs& then) {
    return std::memcmp(&then, &now, sizeof(now)) == 0;
  };
  if (std::ranges::any_of(seen_, same)) return true;
  if (seen_.size() < kTicksSeen) seen_.push_back(now);
  return false;
}

// The guest computes nothing, so it does not matter to it how often it went round: what is charged for that
// does not depend on the host, and the run can be repeated.
void Scheduler::leave_spinning(Task& current) {
  ++stats_.spins;
  seen_.clear();
  quiet_ticks_ = 0;
  current.trace.spinning = true;
  ++current.trace.repeats;  // who has spun longest comes last
  if (ready_.empty()) {
    virtual_clock_->advance_to(std::max(*timers_.next_deadline(), clocks_.monotonic()));
  } else {
    virtual_clock_->charge(kTickLength);
  }
  expire_due();
  yield(current);
}

}  // namespace detent::sched

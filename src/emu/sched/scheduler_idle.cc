// Nothing is ready here: waiting for the host, for other processes, or for time.
#include "emu/sched/scheduler.h"

#include <algorithm>

#include "emu/arch/x86_64/interrupts.h"

namespace detent::sched {
namespace {

// Adaptive idling: what follows soon is met awake, and so is the next timer. A host that sleeps wakes up late
// by some 50 us.
constexpr Duration kSpinFirst = Duration::microseconds(20);
constexpr Duration kSpinLast = Duration::microseconds(100);
// How long the end of a process that was killed may go unnoticed by who waits for it in a futex.
constexpr Duration kOrphanInterval = Duration::milliseconds(100);

}  // namespace

void Scheduler::idle() {
  arch::admit_host_signals();
  if (owner_.on_idle()) return;
  ++stats_.idle_waits;
  fruitless_ = 0;
  std::optional<Instant<Monotonic>> deadline = timers_.next_deadline();
  // A timer armed for ever (TIME_T_MAX) never fires: it must neither be jumped to nor hide a deadlock.
  if (deadline == Instant<Monotonic>::max()) deadline.reset();
  if (virtual_clock_ == nullptr) return idle_real(deadline);
  if (poller_.watching() && poller_.wait(Duration()) != 0) return;
  if (poller_.watching_outside() && !await_delivery(deadline)) return;
  idle_virtual(deadline);
}

// What the host holds back (TCP waits up to 40 ms for an acknowledgement, 200 ms where it is corked) may be
// what a task waits for: time must not run ahead of it. Bytes that a reader leaves unread can stay for ever;
// they are waited for once. False if something happened.
bool Scheduler::await_delivery(std::optional<Instant<Monotonic>> deadline) {
  constexpr Duration kLook = Duration::milliseconds(1);
  Duration left = Duration::milliseconds(250);
  if (deadline) left = std::min(left, *deadline - clocks_.monotonic());
  std::uint64_t held = owner_.undelivered();
  while (held != 0 && held != held_up_ && left > Duration()) {
    if (poller_.wait(kLook) != 0 || arch::interrupt_pending()) return false;
    left = left - kLook;
    held = owner_.undelivered();
  }
  held_up_ = held;
  return true;
}

void Scheduler::idle_real(std::optional<Instant<Monotonic>> deadline) {
  std::optional<Duration> left;
  if (deadline) left = clocks_.source().host_time_until(*deadline);
  const bool session_waits = owner_.session_waits();
  if (session_waits && (!left || *left > kOrphanInterval)) {
    left = kOrphanInterval;
    owner_.look_for_orphans();
    if (!ready_.empty()) return;
  }
  if (left && *left <= Duration()) return;
  if (!left && !poller_.watching() && !owner_.outside_active()) owner_.on_stuck();
  wait_for_host(deadline, left);
}

// `left`: host time until `deadline`, or less where something has to be looked for.
void Scheduler::wait_for_host(std::optional<Instant<Monotonic>> deadline,
                              std::optional<Duration> left) {
  switch (options_.idle) {
    case emu::IdleMode::kBlock:
      poller_.wait(left);
      return;
    case emu::IdleMode::kSpin:
      spin(left ? clocks_.monotonic() + *left : Instant<Monotonic>::max());
      return;
    case emu::IdleMode::kAdaptive:
      if (deadline && *left <= kSpinLast) {
        spin(*deadline);
      } else if (!spin(clocks_.monotonic() + kSpinFirst)) {
        if (left) left = std::max(*left - kSpinFirst - kSpinLast, Duration());
        poller_.wait(left);
      }
  }
}

// Looks again and again for what ends an idle time. False: `end` came first.
bool Scheduler::spin(Instant<Monotonic> end) {
  do {
    if (arch::interrupt_pending() || owner_.take_session_wakes()) return true;
    if (poller_.watching() && poller_.wait(Duration()) != 0) return true;
  } while (clocks_.monotonic() < end);
  return false;
}

// Virtual time never runs ahead of the outside world: host fds that somebody else may act on get
// `io_grace` of host time before a jump.
void Scheduler::idle_virtual(std::optional<Instant<Monotonic>> deadline) {
  if (turns_.active()) return idle_in_session(deadline);
  if (!deadline) {
    // Between ends that are all in here nothing is under way but what the host may still deliver.
    const bool alone = !poller_.watching_outside();
    if (alone && (!poller_.watching() || poller_.wait(options_.io_grace) == 0)) owner_.on_stuck();
    poller_.wait(std::nullopt);
    return;
  }
  if (poller_.watching_outside()) {
    const Duration jump = *deadline - clocks_.monotonic();
    if (poller_.wait(std::min(jump, options_.io_grace)) != 0 || arch::interrupt_pending()) return;
  }
  virtual_clock_->advance_to(*deadline);
}

// One of several processes: rests until a look, made whenever it is this process's turn, finds something.
void Scheduler::idle_in_session(std::optional<Instant<Monotonic>> deadline) {
  const std::int64_t when = deadline ? deadline->ns() : Session::kNever;
  const bool session_waits = owner_.session_waits();
  const bool stuck = !deadline && !poller_.watching() && !owner_.outside_active();
  if (stuck && !session_waits) owner_.on_stuck();
  turns_.rest(when, (poller_.watching_outside() ? Turns::kOutside : 0) |
                        (session_waits ? Turns::kOrphan : 0));
  for (;;) {
    if (!turns_.pass()) jump_in_session(stuck);
    const bool event = poller_.wait(Duration()) != 0 || arch::interrupt_pending();
    if (session_waits) owner_.look_for_orphans();
    const bool woken = owner_.take_session_wakes() || !ready_.empty();
    if (event || woken || clocks_.monotonic().ns() >= when) break;
    turns_.looked();
  }
  turns_.run();
}

// Every process of the session rests. `stuck`: only another process can wake this one.
void Scheduler::jump_in_session(bool stuck) {
  const std::optional<std::int64_t> next = turns_.next_deadline();
  const std::uint32_t waits_for = turns_.waits_for();
  if (!next) {
    const bool orphans = (waits_for & Turns::kOrphan) != 0;
    const bool event =
        turns_.await_outside(orphans ? std::optional(kOrphanInterval) : std::nullopt);
    if (!event && stuck && (waits_for & Turns::kOutside) == 0) owner_.on_stuck();
    return turns_.disturb();
  }
  const Instant<Monotonic> when = Instant<Monotonic>::from_ns(*next);
  const Duration jump = when - clocks_.monotonic();
  const bool outside = (waits_for & Turns::kOutside) != 0;
  if (outside && turns_.await_outside(std::min(jump, options_.io_grace))) return;
  virtual_clock_->advance_to(when);
}

// The guest has something to do, and so may other processes.
void Scheduler::let_others_take_turns() {
  turns_.yield();
  if (poller_.watching()) poller_.wait(Duration());
  if (arch::interrupt_pending()) owner_.drain_host_signals();
  owner_.take_session_wakes();
}

}  // namespace detent::sched

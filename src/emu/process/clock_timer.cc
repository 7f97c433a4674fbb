#include "emu/process/clock_timer.h"

#include <sys/syscall.h>

#include <algorithm>
#include <ctime>

#include "emu/arch/x86_64/host_call.h"
#include "emu/process/process.h"

namespace detent::process {

Duration process_cpu_time(const TimeContext& context) {
  if (!context.clocks.source().is_virtual()) {
    timespec used{};
    arch::host_call(SYS_clock_gettime, CLOCK_PROCESS_CPUTIME_ID, &used).value();
    return Duration::nanoseconds(used.tv_sec * kNanosPerSecond + used.tv_nsec);
  }
  Duration sum = context.process.cpu_time_of_reaped();
  context.process.for_each_task([&](Task& task) { sum = sum + context.scheduler.cpu_time(task); });
  return sum;
}

// The scheduler counts what the host gave to other processes, too; a thread has never used more than all of
// the process.
Duration thread_cpu_time(const TimeContext& context, Tid thread) {
  const Task* task = context.process.find(thread);
  if (task == nullptr) return {};
  const Duration counted = context.scheduler.cpu_time(*task);
  if (context.clocks.source().is_virtual()) return counted;
  return std::min(counted, process_cpu_time(context));
}

std::int64_t ClockTimer::now() const {
  switch (clock_.kind) {
    case TimerClock::Kind::kProcessCpu:
      return process_cpu_time(context_).ns();
    case TimerClock::Kind::kThreadCpu:
      return thread_cpu_time(context_, clock_.thread).ns();
    case TimerClock::Kind::kBase:
      break;
  }
  return context_.clocks.now(clock_.base);
}

void ClockTimer::start(std::int64_t when) {
  due_ = when;
  if (clock_.kind == TimerClock::Kind::kBase) {
    set_wakes_machine(clock_.alarm);
    context_.queue.arm(*this, clock_.base, when);
    return;
  }
  seen_ = -1;
  look_again();
}

void ClockTimer::on_expire() {
  if (clock_.kind == TimerClock::Kind::kBase || now() >= due_) {
    firing_ = true;
    on_due();
    firing_ = false;
    return;
  }
  // A thread that is no more uses no CPU time: its timers never expire.
  if (clock_.kind == TimerClock::Kind::kThreadCpu && !context_.process.find(clock_.thread)) return;
  look_again();
}

// While the clock goes slower than a quarter of MONOTONIC the looks get rarer: the process is idle, and
// in real time the looks themselves are all that it does.
void ClockTimer::look_again() {
  const std::int64_t reading = now();
  const std::int64_t left = saturating_sub(due_, reading);
  const bool idle = seen_ >= 0 && reading - seen_ < last_look_ / 4;
  idle_look_ = idle ? std::min(idle_look_ * 2, kLongestLook) : kFirstIdleLook;
  seen_ = reading;
  const bool is_virtual = context_.clocks.source().is_virtual();
  const std::int64_t shortest = is_virtual ? kShortestLook : kRealShortestLook;
  const bool at_once = left <= 0 && (is_virtual || !firing_);
  last_look_ = at_once ? 0 : std::max(left, idle ? idle_look_ : shortest);
  const std::int64_t monotonic = context_.clocks.monotonic().ns();
  context_.queue.arm(*this, timebase::Base::kMonotonic, saturating_add(monotonic, last_look_));
}

}  // namespace detent::process

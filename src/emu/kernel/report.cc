#include "emu/kernel/report.h"

#include <fmt/format.h>
#include <linux/futex.h>
#include <sys/syscall.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include "emu/arch/x86_64/site_patcher_unsafe.h"
#include "emu/kernel/fast_calls_unsafe.h"
#include "emu/kernel/kernel.h"
#include "emu/mem/user_copy_unsafe.h"

namespace detent::emu {
namespace {

const char* (*call_name)(long) = nullptr;

constexpr std::string_view kSignalWaits[] = {"pause", "rt_sigsuspend", "rt_sigtimedwait",
                                             "signalfd"};

std::string touch_text(Kernel& kernel, const Task& task) {
  const trace::Chooser::Touch* touch = kernel.record().last_touch(task);
  if (touch == nullptr) return "";
  const std::int64_t at = touch->event.at_ns - kernel.record().start_ns();
  return fmt::format("; last touched by task #{} in {} at {:.9f} s", touch->task,
                     syscall_name(touch->event.event.call), static_cast<double>(at) / 1e9);
}

std::string owner_text(Kernel& kernel, const Task& task) {
  const Task* owner = lock_owner(kernel, task);
  if (owner == nullptr) return "";
  return fmt::format("; held by task {} ({})", raw(owner->tid()), owner->name);
}

// A task that waits for a futex word to change, although it has changed: whoever changed it did not wake, or
// woke before the wait.
bool print_lost_wakeups(Kernel& kernel) {
  std::string text;
  kernel.process().for_each_task([&](Task& task) {
    if (!task.waiting.futex_value) return;
    const Result<std::uint32_t> word = mem::load_u32(task.waiting.object);
    if (!word.ok() || word.value() == *task.waiting.futex_value) return;
    text += fmt::format(
        "detent: lost wake-up: task {} ({}) waits for the futex at {:#x} to change from {}, but it "
        "is {} "
        "already\n",
        raw(task.tid()), task.name, task.waiting.object, *task.waiting.futex_value, word.value());
  });
  kernel.tell(text);
  return !text.empty();
}

void print_tasks(Kernel& kernel) {
  const Instant<Monotonic> now = kernel.clocks().monotonic();
  std::string text;
  kernel.process().for_each_task([&](Task& task) {
    if (task.waiting.what == nullptr) {
      const char* state = task.state == task::State::kReady ? "ready" : "running";
      text += fmt::format(
          "  task {} ({}): {}, last call {}\n", raw(task.tid()), task.name, state,
          syscall_name(task.trace.last_call >= 0 ? task.trace.last_call : task.current_syscall));
      return;
    }
    const double seconds = static_cast<double>((now - task.waiting.since).ns()) / 1e9;
    text += fmt::format("  task {} ({}): {} in {}, object {:#x}, for {:.9f} s{}{}\n",
                        raw(task.tid()), task.name, syscall_name(task.current_syscall),
                        task.waiting.what, task.waiting.object, seconds, owner_text(kernel, task),
                        touch_text(kernel, task));
  });
  kernel.tell(text);
}

double percent(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0.0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

void set_syscall_names(const char* (*name)(long)) { call_name = name; }

const char* syscall_name(long number) {
  if (number == trace::kAtomic) return "atomic";
  if (number == trace::kPause) return "pause";
  const char* name = call_name != nullptr ? call_name(number) : nullptr;
  return name != nullptr ? name : "unknown";
}

// The word of PI and robust locks is the owner's tid; glibc's other mutexes keep it behind word and count.
const Task* lock_owner(Kernel& kernel, const Task& task) {
  if (task.waiting.what == nullptr || task.current_syscall != SYS_futex) return nullptr;
  const Task* owner = nullptr;
  for (const std::uint64_t offset : {0, 8}) {
    const Result<std::uint32_t> word = mem::load_u32(task.waiting.object + offset);
    const int tid = word.ok() ? static_cast<int>(word.value() & FUTEX_TID_MASK) : 0;
    kernel.process().for_each_task([&](const Task& other) {
      if (raw(other.tid()) == tid) owner = &other;
    });
    if (owner != nullptr) break;
  }
  return owner;
}

bool anybody_waits_for_signal(Kernel& kernel) {
  bool found = false;
  kernel.process().for_each_task([&](Task& task) {
    const std::string_view what = task.waiting.what != nullptr ? task.waiting.what : "";
    found = found || std::ranges::find(kSignalWaits, what) != std::end(kSignalWaits);
  });
  return found;
}

bool anybody_waits_in_event_loop(Kernel& kernel) {
  constexpr long kCalls[] = {SYS_poll,       SYS_ppoll,       SYS_select,      SYS_pselect6,
                             SYS_epoll_wait, SYS_epoll_pwait, SYS_epoll_pwait2};
  bool found = false;
  kernel.process().for_each_task([&](Task& task) {
    found = found || std::ranges::find(kCalls, task.current_syscall) != std::end(kCalls);
  });
  return found;
}

bool print_deadlock(Kernel& kernel) {
  const bool lost = print_lost_wakeups(kernel);
  kernel.tell(fmt::format(
      "detent: deadlock: all {} tasks wait, no timer is armed, and nothing outside can wake them\n",
      kernel.process().task_count()));
  print_tasks(kernel);
  return lost;
}

void print_livelock(Kernel& kernel) {
  kernel.tell(fmt::format(
      "detent: livelock: {} system calls in a row only waited, asked or signalled, and time stood "
      "still\n",
      kernel.config().livelock_entries));
  print_tasks(kernel);
}

void print_time_budget(Kernel& kernel) {
  kernel.tell(fmt::format("detent: the time budget of {:.9f} s is used up\n",
                          static_cast<double>(kernel.config().time_budget_ns) / 1e9));
  print_tasks(kernel);
}

void print_step_budget(Kernel& kernel) {
  kernel.tell(fmt::format("detent: {} system calls were made, as many as --max-steps allows\n",
                          kernel.config().max_steps));
  print_tasks(kernel);
}

void print_stats(Kernel& kernel) {
  const Stats& stats = kernel.stats();
  std::uint64_t fast = 0;
  for (long number = 0; number < static_cast<long>(stats.calls.size()); ++number) {
    fast += fast_calls_made(number);
  }
  const std::uint64_t patched = stats.patched + fast;
  const sched::SchedulerStats& sched = kernel.scheduler().stats();
  std::string text = fmt::format(
      "detent: system calls by patched sites {} ({:.1f} %), by trap {}; {} sites patched, {} fast "
      "calls\n"
      "detent: faults {}, host interrupts {}, jumps to moved instructions {}\n"
      "detent: task switches {}, idle waits {}, timers fired {}, ticks {}\n",
      patched, percent(patched, patched + stats.traps), stats.traps,
      arch::site_patcher().patched_sites(), fast, stats.faults, stats.interrupts, stats.moved,
      sched.switches, sched.idle_waits, sched.timers_fired, sched.ticks);
  if (kernel.config().points) {
    const arch::SitePatcher::PointCounts& points = arch::site_patcher().point_counts();
    text += fmt::format("detent: preemption points by jump {}, by int3 {}; asked {} times\n",
                        points.jumps, points.traps, kernel.points().asked());
  }
  std::vector<std::pair<std::uint64_t, long>> calls;
  for (std::size_t nr = 0; nr < stats.calls.size(); ++nr) {
    const auto number = static_cast<long>(nr);
    const std::uint64_t count = stats.calls[nr] + fast_calls_made(number);
    if (count != 0) calls.emplace_back(count, number);
  }
  std::ranges::stable_sort(calls, std::greater<>(), [](const auto& call) { return call.first; });
  for (const auto& [count, nr] : calls)
    text += fmt::format("{:>12}  {}\n", count, syscall_name(nr));
  kernel.tell(text);
}

}  // namespace detent::emu

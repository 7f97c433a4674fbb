#include "emu/kernel/report.h"

#include <fmt/format.h>
#include <sys/syscall.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include "emu/arch/x86_64/site_patcher_unsafe.h"
#include "emu/kernel/fast_calls_unsafe.h"
#include "emu/kernel/kernel.h"

namespace detent::emu {
namespace {

const char* (*call_name)(long) = nullptr;

constexpr std::string_view kSignalWaits[] = {"pause", "rt_sigsuspend", "rt_sigtimedwait",
                                             "signalfd"};

void print_tasks(Kernel& kernel) {
  const Instant<Monotonic> now = kernel.clocks().monotonic();
  std::string text;
  kernel.process().for_each_task([&](Task& task) {
    if (task.waiting.what == nullptr) {
      text += fmt::format("  task {} ({}): {}\n", raw(task.tid()), task.name,
                          task.state == task::State::kReady ? "ready" : "running");
      return;
    }
    const double seconds = static_cast<double>((now - task.waiting.since).ns()) / 1e9;
    text += fmt::format("  task {} ({}): {} in {}, object {:#x}, for {:.9f} s\n", raw(task.tid()),
                        task.name, syscall_name(task.current_syscall), task.waiting.what,
                        task.waiting.object, seconds);
  });
  kernel.tell(text);
}

double percent(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0.0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

void set_syscall_names(const char* (*name)(long)) { call_name = name; }

const char* syscall_name(long number) {
  const char* name = call_name != nullptr ? call_name(number) : nullptr;
  return name != nullptr ? name : "unknown";
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

void print_deadlock(Kernel& kernel) {
  kernel.tell(fmt::format(
      "detent: deadlock: all {} tasks wait, no timer is armed, and nothing outside can wake them\n",
      kernel.process().task_count()));
  print_tasks(kernel);
}

void print_time_budget(Kernel& kernel) {
  kernel.tell(fmt::format("detent: the time budget of {:.9f} s is used up\n",
                          static_cast<double>(kernel.config().time_budget_ns) / 1e9));
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

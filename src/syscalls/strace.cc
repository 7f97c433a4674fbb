#include "syscalls/strace.h"

#include <fmt/format.h>
#include <sys/syscall.h>

#include "emu/arch/x86_64/host_call.h"
#include "emu/kernel/kernel.h"
#include "syscalls/strace_format.h"
#include "syscalls/table.h"

namespace detent::syscalls {
namespace {

// In real time two readings of the clock differ; less than this is no wait.
constexpr Duration kShortestWait = Duration::microseconds(1);

// Times are part of the deterministic form only where they are deterministic.
bool shows_time(emu::Kernel& kernel) {
  return kernel.time_is_virtual() || !kernel.config().strace_deterministic;
}

std::string time_text(std::int64_t ns) {
  return fmt::format("{}.{:09}", ns / kNanosPerSecond, ns % kNanosPerSecond);
}

std::string who_text(Task& task) {
  emu::Kernel& kernel = task.kernel();
  const bool name_process = kernel.has_relatives() && !kernel.config().strace_deterministic;
  const std::string task_text = fmt::format("task {}", task_index(task));
  return name_process ? fmt::format("pid {} {}", raw(task.process().pid()), task_text) : task_text;
}

std::string call_text(const StraceEntry& entry) {
  const char* name = name_of(entry.number);
  return name != nullptr ? fmt::format("{}({})", name, entry.arguments)
                         : fmt::format("syscall_{}({})", entry.number, entry.arguments);
}

std::string blocked_text(Task& task, const StraceEntry& entry) {
  emu::Kernel& kernel = task.kernel();
  const Duration passed = kernel.clocks().monotonic() - entry.at;
  const Duration blocked = passed - (kernel.scheduler().cpu_time(task) - entry.cpu);
  const bool shown = kernel.time_is_virtual() ? blocked > Duration() : blocked >= kShortestWait;
  return shown && shows_time(kernel) ? fmt::format(" <blocked {}>", time_text(blocked.ns())) : "";
}

// One write a line: other processes of the session may share the file.
void print_line(Task& task, const StraceEntry& entry, const std::string& outcome) {
  emu::Kernel& kernel = task.kernel();
  const std::string time = shows_time(kernel) ? fmt::format("[{}] ", time_text(entry.at.ns())) : "";
  const std::string line =
      fmt::format("{}{} {} = {}\n", time, who_text(task), call_text(entry), outcome);
  const int fd = kernel.config().trace_fd;
  if (fd < 0) return kernel.tell(line);
  static_cast<void>(arch::host_call(SYS_write, fd, line.data(), line.size()));
}

}  // namespace

StraceEntry strace_enter(Task& task, long number) {
  StraceEntry entry;
  emu::Kernel& kernel = task.kernel();
  if (!kernel.config().strace) return entry;
  entry.enabled = true;
  entry.number = number;
  entry.at = kernel.clocks().monotonic();
  entry.cpu = kernel.scheduler().cpu_time(task);
  entry.arguments = arguments_text(task, number);
  return entry;
}

void strace_exit(Task& task, const StraceEntry& entry, const Result<long>& result) {
  print_line(task, entry, result_text(task, entry.number, result) + blocked_text(task, entry));
}

void strace_no_return(Task& task) {
  const StraceEntry entry = strace_enter(task, task.current_syscall);
  if (entry.enabled) print_line(task, entry, "?");
}

}  // namespace detent::syscalls

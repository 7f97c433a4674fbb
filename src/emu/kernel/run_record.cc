#include "emu/kernel/run_record.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/syscall.h>

#include <array>

#include "emu/kernel/kernel.h"
#include "emu/kernel/report.h"
#include "emu/mem/user_copy_unsafe.h"

namespace detent::emu {
namespace {

using Space = trace::Object::Space;

constexpr std::uint64_t kStackReach = 8 << 20;
// A report is for people; a run with more switches than this is shrunk first.
constexpr std::size_t kMaxSwitches = 512;
constexpr std::size_t kMaxGone = 256;

bool duplicates_file(long number, std::uint64_t command) {
  return number == SYS_dup || number == SYS_dup2 || number == SYS_dup3 ||
         (number == SYS_fcntl && (command == F_DUPFD || command == F_DUPFD_CLOEXEC));
}

}  // namespace

const char* name_of(Verdict verdict) {
  static constexpr std::array<const char*, 9> kNames = {
      "ok",       "exit",        "signal",     "deadlock",   "lost-wakeup",
      "livelock", "time-budget", "divergence", "step-budget"};
  return kNames[static_cast<std::size_t>(verdict)];
}

RunRecord::RunRecord(Kernel& kernel)
    : kernel_(kernel),
      writes_(kernel.config().json_fd >= 0),
      start_ns_(kernel.clocks().monotonic().ns()) {}

void RunRecord::set_stack(std::uint64_t stack_pointer) {
  stack_top_ = stack_pointer;
  if (!writes_) return;
  const auto count = mem::copy_in(UserPtr<const std::uint64_t>(stack_pointer));
  for (std::uint64_t i = 1; count.ok() && i <= count.value(); ++i) {
    const auto at = mem::copy_in(UserPtr<const std::uint64_t>(stack_pointer + 8 * i));
    if (!at.ok()) return;
    arguments_.push_back(
        std::move(mem::copy_in_string(UserPtr<const char>(at.value()), 1 << 17)).value());
  }
}

void RunRecord::add(Task& task) {
  task.trace.number = kernel_.chooser().next_task();
  task.trace.next = {-1, {Space::kUser, 0}, trace::Access::kWrite};
}

void RunRecord::publish(Task& task) {
  const auto number = static_cast<std::int32_t>(task.user.regs.rax);
  const trace::CallShape shape = trace::shape_of(number);
  const std::uint64_t value = task.user.syscall_arg(shape.argument);
  task.trace.next = {number, object_of(shape, value), shape.access};
  task.trace.detail = shape.space == Space::kNone ? 0 : value;
}

trace::Object RunRecord::object_of(const trace::CallShape& shape, std::uint64_t value) const {
  if (shape.space == Space::kFile) {
    const auto fd = static_cast<std::int32_t>(value);
    const auto found = files_.find(fd);
    return {Space::kFile, found != files_.end() ? found->second : static_cast<std::uint32_t>(fd)};
  }
  return shape.space == Space::kMemory ? memory_object(value) : trace::Object{shape.space, 0};
}

trace::Object RunRecord::memory_object(std::uint64_t address) const {
  const bool on_stack = address < stack_top_ && address >= stack_top_ - kStackReach;
  if (on_stack) return {Space::kStack, stack_top_ - address};
  return {Space::kMemory, address};
}

void RunRecord::finished(Task& task) {
  const trace::TaskTrace& trace = task.trace;
  const long number = trace.next.call;
  const auto result = static_cast<long>(task.user.regs.rax);
  const auto first = static_cast<std::int32_t>(task.user.syscall_arg(0));
  task.trace.next = {-1, {Space::kUser, 0}, trace::Access::kWrite};
  if (number == SYS_close) files_.erase(first);
  if (result < 0) return;
  if (trace::makes_file(number)) name_file(task, result);
  if (number == SYS_pipe || number == SYS_pipe2) name_pair(task, task.user.syscall_arg(0));
  if (number == SYS_socketpair) name_pair(task, task.user.syscall_arg(3));
  if (duplicates_file(number, task.user.syscall_arg(1))) {
    files_.erase(static_cast<int>(result));
    if (const auto found = files_.find(first); found != files_.end()) {
      const std::uint64_t name = found->second;
      files_[static_cast<int>(result)] = name;
    }
  }
}

void RunRecord::name_file(Task& task, long fd) {
  files_[static_cast<int>(fd)] = std::uint64_t{task.trace.number} << 32 | ++task.trace.files;
}

// Both ends are one object: what is written here is read there.
void RunRecord::name_pair(Task& task, std::uint64_t address) {
  const auto fds = mem::copy_in(UserPtr<const std::array<std::int32_t, 2>>(address));
  if (!fds.ok()) return;
  name_file(task, fds.value()[0]);
  const std::uint64_t name = files_[fds.value()[0]];
  files_[fds.value()[1]] = name;
  pairs_.insert(name);
}

std::uint64_t RunRecord::file_name(int fd) const {
  const auto found = files_.find(fd);
  return found != files_.end() ? found->second : 0;
}

const trace::Chooser::Touch* RunRecord::last_touch(const Task& task) const {
  if (task.trace.next.call < 0) return nullptr;
  return kernel_.chooser().last_touch(task.trace.next.object, task.trace.number);
}

void RunRecord::on_first_choice() { kernel_.before_first_choice(); }

void RunRecord::leave(Task& task) {
  if (!writes_ || task.trace.past == nullptr || gone_.size() == kMaxGone) return;
  gone_.push_back({task.trace.number, raw(task.tid()), task.name, std::move(task.trace)});
}

void RunRecord::become_child() {
  writes_ = false;
  switches_.clear();
  gone_.clear();
}

Task* RunRecord::task_of(std::uint32_t number) {
  Task* found = nullptr;
  kernel_.process().for_each_task([&](Task& task) {
    if (task.trace.number == number) found = &task;
  });
  return found;
}

void RunRecord::on_deviation(const trace::Deviation& deviation, std::uint32_t from,
                             std::uint32_t to) {
  if (!writes_ || switches_.size() == kMaxSwitches) return;
  switches_.push_back({deviation, kernel_.clocks().monotonic().ns() - start_ns_,
                       kernel_.chooser().carry().events, from, to, standing(from), standing(to)});
}

void RunRecord::on_divergence(const trace::Deviation& expected, trace::Choice kind,
                              std::uint32_t options) {
  const Task& task = kernel_.scheduler().current();
  kernel_.tell(
      fmt::format("detent: divergence: the schedule answers choice {} ({}) by option {}, but this "
                  "run asks {} of "
                  "{} options there\n  task {} ({}), system call {}, event {}\n",
                  expected.choice, trace::name_of(*expected.kind), expected.option,
                  trace::name_of(kind), options, raw(task.tid()), task.name,
                  syscall_name(task.trace.next.call), kernel_.chooser().carry().events));
  kernel_.give_up(Verdict::kDivergence, kExitDivergence);
}

}  // namespace detent::emu

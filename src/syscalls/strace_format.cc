#include "syscalls/strace_format.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <string_view>

#include "emu/kernel/kernel.h"
#include "emu/mem/user_copy_unsafe.h"
#include "syscalls/strace_names.h"
#include "syscalls/table.h"

namespace detent::syscalls {
namespace {

constexpr std::size_t kBytesShown = 32;
constexpr std::size_t kPathShown = 256;
// Process::next_tid() counts up from here; ids below are the host's.
constexpr std::int64_t kTidBase = 1 << 22;
constexpr std::int64_t kTidLimit = kTidBase + (1 << 20);

bool deterministic(Task& task) { return task.kernel().config().strace_deterministic; }

std::string pointer_text(Task& task, std::uint64_t address) {
  if (address == 0) return "NULL";
  return deterministic(task) ? "ptr" : fmt::format("{:#x}", address);
}

// A bit pattern; one that only an address can be is an address.
std::string hex_text(Task& task, std::uint64_t value) {
  const bool address = value > 0xffffffff && value < (1ULL << 47);
  return address ? pointer_text(task, value) : fmt::format("{:#x}", value);
}

// A register of 32 bits whose upper half is undefined, or an offset of 64.
std::int64_t signed_value(std::uint64_t value) {
  return value >> 32 == 0 ? static_cast<std::int32_t>(value) : static_cast<std::int64_t>(value);
}

// An id of this process or one of its tasks in words; empty for any other number.
std::string own_id_text(Task& task, std::int64_t id) {
  if (id == raw(task.process().pid())) return "pid";
  return id > kTidBase && id < kTidLimit ? fmt::format("task {}", id - kTidBase + 1) : "";
}

std::string int_text(Task& task, std::uint64_t value) {
  const std::int64_t number = signed_value(value);
  const std::string own = deterministic(task) ? own_id_text(task, number) : "";
  return own.empty() ? std::to_string(number) : own;
}

// A process or thread id. Zero and below are no ids but words of their own (kill(2), wait4(2)).
std::string id_text(Task& task, std::uint64_t value) {
  const std::int64_t number = signed_value(value);
  if (!deterministic(task) || number == 0 || number == -1) return std::to_string(number);
  const std::string own = own_id_text(task, number);
  return own.empty() ? "child" : own;
}

std::string fd_text(std::uint64_t value) {
  const int fd = static_cast<int>(value);
  return fd == AT_FDCWD ? "AT_FDCWD" : std::to_string(fd);
}

std::string path_text(Task& task, std::uint64_t address) {
  const Result<std::string> path = mem::copy_in_string(UserPtr<const char>(address));
  if (!path.ok()) return pointer_text(task, address);
  const std::string_view shown = std::string_view(path.value()).substr(0, kPathShown);
  return quoted(shown, shown.size() < path.value().size());
}

std::string bytes_text(Task& task, std::uint64_t address, std::uint64_t size) {
  std::array<char, kBytesShown> bytes;
  const std::size_t shown = std::min<std::uint64_t>(size, bytes.size());
  if (!mem::copy_in_bytes(bytes.data(), address, shown).ok()) return pointer_text(task, address);
  return quoted({bytes.data(), shown}, shown < size);
}

// In real time even a relative span is mostly made from clock readings.
std::string timespec_text(Task& task, std::uint64_t address) {
  if (address == 0) return "NULL";
  const Result<timespec> span = mem::copy_in(UserPtr<timespec>(address));
  if (!span.ok()) return pointer_text(task, address);
  if (deterministic(task) && !task.kernel().time_is_virtual()) return "{...}";
  return fmt::format("{{{},{}}}", span.value().tv_sec, span.value().tv_nsec);
}

// futex(2): the fourth argument of the operations that do not wait is a count.
std::string futex_fourth_text(Task& task, std::uint64_t op, std::uint64_t value) {
  return futex_op_has_timeout(op) ? timespec_text(task, value)
                                  : std::to_string(static_cast<std::uint32_t>(value));
}

// The host's counter decides on these ids.
bool names_ipc_object(long number) {
  static constexpr std::array kCalls = {SYS_semop,  SYS_semtimedop, SYS_semctl, SYS_msgsnd,
                                        SYS_msgrcv, SYS_msgctl,     SYS_shmat,  SYS_shmctl};
  return std::find(kCalls.begin(), kCalls.end(), number) != kCalls.end();
}

std::string argument_text(Task& task, long number, std::string_view word, int index) {
  const std::uint64_t value = task.user.syscall_arg(index);
  if (index == 0 && deterministic(task) && names_ipc_object(number)) return "id";
  if (word == "fd") return fd_text(value);
  if (word == "int") return int_text(task, value);
  if (word == "uint") return std::to_string(static_cast<std::uint32_t>(value));
  if (word == "size") return std::to_string(value);
  if (word == "pid") return id_text(task, value);
  if (word == "ptr") return pointer_text(task, value);
  if (word == "path") return path_text(task, value);
  if (word == "buf") return bytes_text(task, value, task.user.syscall_arg(index + 1));
  if (word == "signal") return signal_text(value);
  if (word == "clock") return clock_text(value);
  if (word == "timespec" && number == SYS_futex) {
    return futex_fourth_text(task, task.user.syscall_arg(1), value);
  }
  if (word == "timespec") return timespec_text(task, value);
  if (word == "prot") return protection_text(value);
  if (word == "oflags") return open_flags_text(value);
  if (word == "mapflags") return map_flags_text(value);
  if (word == "cloneflags") return clone_flags_text(value);
  if (word == "futexop") return futex_op_text(value);
  if (word == "mode") return mode_text(value);
  return hex_text(task, value);
}

bool answers_address(long number) {
  return number == SYS_mmap || number == SYS_mremap || number == SYS_brk || number == SYS_shmat;
}

bool answers_id(long number) {
  static constexpr std::array kCalls = {
      SYS_getpid, SYS_gettid, SYS_getppid, SYS_getpgrp, SYS_getpgid, SYS_getsid,         SYS_setsid,
      SYS_fork,   SYS_vfork,  SYS_clone,   SYS_clone3,  SYS_wait4,   SYS_set_tid_address};
  return std::find(kCalls.begin(), kCalls.end(), number) != kCalls.end();
}

// What the machine or the moment decides.
bool answers_host_value(Task& task, long number) {
  switch (number) {
    case SYS_getuid:
    case SYS_geteuid:
    case SYS_getgid:
    case SYS_getegid:
    case SYS_semget:
    case SYS_msgget:
    case SYS_shmget:
    case SYS_rt_sigreturn:  // whatever the interrupted code had in rax
      return true;
    case SYS_time:
    case SYS_times:
      return !task.kernel().time_is_virtual();
    default:
      return false;
  }
}

}  // namespace

std::string arguments_text(Task& task, long number) {
  const Row& called = row(number);
  if (called.support == Support::kAbsent) return "...";
  std::string text;
  std::string_view words = called.arguments;
  for (int index = 0; !words.empty() && index < 6; ++index) {
    const std::string_view word = words.substr(0, words.find(' '));
    if (index != 0) text += ", ";
    text += argument_text(task, number, word, index);
    words.remove_prefix(std::min(words.size(), word.size() + 1));
  }
  return text;
}

std::string result_text(Task& task, long number, const Result<long>& result) {
  if (!result.ok()) return error_text(result.error());
  const auto value = static_cast<std::uint64_t>(result.value());
  if (answers_address(number)) return pointer_text(task, value);
  if (deterministic(task)) {
    if (answers_id(number)) return id_text(task, value);
    if (answers_host_value(task, number)) return "*";
  }
  return std::to_string(result.value());
}

int task_index(const Task& task) {
  const std::int64_t tid = raw(task.tid());
  return tid > kTidBase ? static_cast<int>(tid - kTidBase + 1) : 1;
}

}  // namespace detent::syscalls

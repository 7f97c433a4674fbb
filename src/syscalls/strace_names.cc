#include "syscalls/strace_names.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/mman.h>

#include <array>
#include <csignal>
#include <cstring>
#include <ctime>
#include <span>

namespace detent::syscalls {
namespace {

struct Name {
  std::uint64_t bits;
  const char* text;
};

#define NAME(constant) \
  Name { static_cast<std::uint64_t>(constant), #constant }

// Combinations stand before their parts.
constexpr Name kOpenFlags[] = {NAME(O_TMPFILE),   NAME(O_SYNC),     NAME(O_CREAT),
                               NAME(O_EXCL),      NAME(O_NOCTTY),   NAME(O_TRUNC),
                               NAME(O_APPEND),    NAME(O_NONBLOCK), NAME(O_DSYNC),
                               NAME(O_ASYNC),     NAME(O_DIRECT),   {0100000, "O_LARGEFILE"},
                               NAME(O_DIRECTORY), NAME(O_NOFOLLOW), NAME(O_NOATIME),
                               NAME(O_CLOEXEC),   NAME(O_PATH)};
constexpr Name kProtections[] = {NAME(PROT_READ), NAME(PROT_WRITE), NAME(PROT_EXEC),
                                 NAME(PROT_GROWSDOWN), NAME(PROT_GROWSUP)};
constexpr Name kMapFlags[] = {
    NAME(MAP_SHARED_VALIDATE), NAME(MAP_SHARED),   NAME(MAP_PRIVATE),         NAME(MAP_FIXED),
    NAME(MAP_ANONYMOUS),       NAME(MAP_32BIT),    NAME(MAP_GROWSDOWN),       NAME(MAP_LOCKED),
    NAME(MAP_NORESERVE),       NAME(MAP_POPULATE), NAME(MAP_NONBLOCK),        NAME(MAP_STACK),
    NAME(MAP_HUGETLB),         NAME(MAP_SYNC),     NAME(MAP_FIXED_NOREPLACE), NAME(MAP_DENYWRITE)};
constexpr Name kCloneFlags[] = {NAME(CLONE_VM),
                                NAME(CLONE_FS),
                                NAME(CLONE_FILES),
                                NAME(CLONE_SIGHAND),
                                NAME(CLONE_PIDFD),
                                NAME(CLONE_PTRACE),
                                NAME(CLONE_VFORK),
                                NAME(CLONE_PARENT),
                                NAME(CLONE_THREAD),
                                NAME(CLONE_NEWNS),
                                NAME(CLONE_SYSVSEM),
                                NAME(CLONE_SETTLS),
                                NAME(CLONE_PARENT_SETTID),
                                NAME(CLONE_CHILD_CLEARTID),
                                NAME(CLONE_DETACHED),
                                NAME(CLONE_UNTRACED),
                                NAME(CLONE_CHILD_SETTID),
                                NAME(CLONE_NEWCGROUP),
                                NAME(CLONE_NEWUTS),
                                NAME(CLONE_NEWIPC),
                                NAME(CLONE_NEWUSER),
                                NAME(CLONE_NEWPID),
                                NAME(CLONE_NEWNET),
                                NAME(CLONE_IO)};
constexpr Name kClocks[] = {NAME(CLOCK_REALTIME),
                            NAME(CLOCK_MONOTONIC),
                            NAME(CLOCK_PROCESS_CPUTIME_ID),
                            NAME(CLOCK_THREAD_CPUTIME_ID),
                            NAME(CLOCK_MONOTONIC_RAW),
                            NAME(CLOCK_REALTIME_COARSE),
                            NAME(CLOCK_MONOTONIC_COARSE),
                            NAME(CLOCK_BOOTTIME),
                            NAME(CLOCK_REALTIME_ALARM),
                            NAME(CLOCK_BOOTTIME_ALARM),
                            NAME(CLOCK_TAI)};
constexpr Name kFutexOps[] = {
    NAME(FUTEX_WAIT),           NAME(FUTEX_WAKE),        NAME(FUTEX_FD),
    NAME(FUTEX_REQUEUE),        NAME(FUTEX_CMP_REQUEUE), NAME(FUTEX_WAKE_OP),
    NAME(FUTEX_LOCK_PI),        NAME(FUTEX_UNLOCK_PI),   NAME(FUTEX_TRYLOCK_PI),
    NAME(FUTEX_WAIT_BITSET),    NAME(FUTEX_WAKE_BITSET), NAME(FUTEX_WAIT_REQUEUE_PI),
    NAME(FUTEX_CMP_REQUEUE_PI), {13, "FUTEX_LOCK_PI2"}};
constexpr Name kRestartCodes[] = {{512, "ERESTARTSYS"},
                                  {513, "ERESTARTNOINTR"},
                                  {514, "ERESTARTNOHAND"},
                                  {516, "ERESTART_RESTARTBLOCK"}};

const char* find(std::span<const Name> names, std::uint64_t value) {
  for (const Name& name : names) {
    if (name.bits == value) return name.text;
  }
  return nullptr;
}

void append(std::string& text, std::string_view part) {
  if (!text.empty()) text += '|';
  text += part;
}

// Appends the names of the bits in `value`, and what has no name in hexadecimal.
std::string flags_text(std::string text, std::uint64_t value, std::span<const Name> names) {
  for (const Name& name : names) {
    if ((value & name.bits) != name.bits) continue;
    append(text, name.text);
    value &= ~name.bits;
  }
  if (value != 0) append(text, fmt::format("{:#x}", value));
  return text.empty() ? "0" : text;
}

std::uint64_t low_half(std::uint64_t value) { return value & 0xffffffff; }

}  // namespace

std::string error_text(Errno error) {
  const char* restart = find(kRestartCodes, static_cast<std::uint64_t>(error.value));
  if (restart != nullptr) return fmt::format("? {}", restart);
  const char* name = strerrorname_np(error.value);
  if (name == nullptr) return fmt::format("-1 (errno {})", error.value);
  return fmt::format("-1 {} ({})", name, strerrordesc_np(error.value));
}

std::string signal_text(std::uint64_t value) {
  const int number = static_cast<int>(value);
  const char* name = number > 0 && number < 32 ? sigabbrev_np(number) : nullptr;
  if (name != nullptr) return fmt::format("SIG{}", name);
  return number >= 32 && number <= 64 ? fmt::format("SIGRT_{}", number - 32)
                                      : std::to_string(number);
}

std::string clock_text(std::uint64_t value) {
  const char* name = find(kClocks, low_half(value));
  return name != nullptr ? name : std::to_string(static_cast<int>(value));
}

std::string futex_op_text(std::uint64_t value) {
  const std::uint64_t command = low_half(value) & FUTEX_CMD_MASK;
  const char* name = find(kFutexOps, command);
  std::string text = name != nullptr ? name : fmt::format("{:#x}", command);
  if (value & FUTEX_PRIVATE_FLAG) text += name != nullptr ? "_PRIVATE" : "|FUTEX_PRIVATE_FLAG";
  if (value & FUTEX_CLOCK_REALTIME) text += "|FUTEX_CLOCK_REALTIME";
  return text;
}

bool futex_op_has_timeout(std::uint64_t value) {
  switch (value & FUTEX_CMD_MASK) {
    case FUTEX_WAIT:
    case FUTEX_WAIT_BITSET:
    case FUTEX_LOCK_PI:
    case 13:  // FUTEX_LOCK_PI2
    case FUTEX_WAIT_REQUEUE_PI:
      return true;
    default:
      return false;
  }
}

std::string protection_text(std::uint64_t value) {
  return value == 0 ? "PROT_NONE" : flags_text({}, value, kProtections);
}

std::string open_flags_text(std::uint64_t value) {
  static constexpr std::array<const char*, 4> kModes = {"O_RDONLY", "O_WRONLY", "O_RDWR", "3"};
  return flags_text(kModes[value & O_ACCMODE], low_half(value) & ~std::uint64_t{O_ACCMODE},
                    kOpenFlags);
}

std::string map_flags_text(std::uint64_t value) { return flags_text({}, value, kMapFlags); }

std::string clone_flags_text(std::uint64_t value) {
  std::string text = flags_text({}, value & ~std::uint64_t{0xff}, kCloneFlags);
  if (text == "0") text.clear();
  if ((value & 0xff) != 0) append(text, signal_text(value & 0xff));
  return text.empty() ? "0" : text;
}

std::string mode_text(std::uint64_t value) { return fmt::format("{:04o}", low_half(value)); }

std::string quoted(std::string_view bytes, bool more) {
  std::string text = "\"";
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    switch (c) {
      case '\n':
        text += "\\n";
        break;
      case '\t':
        text += "\\t";
        break;
      case '\r':
        text += "\\r";
        break;
      case '"':
        text += "\\\"";
        break;
      case '\\':
        text += "\\\\";
        break;
      default:
        text += byte >= 0x20 && byte < 0x7f ? std::string(1, c) : fmt::format("\\x{:02x}", byte);
    }
  }
  return text + (more ? "\"..." : "\"");
}

}  // namespace detent::syscalls

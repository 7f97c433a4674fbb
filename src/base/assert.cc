#include "detent/assert.h"

#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstring>

#include "base/raw_syscall_unsafe.h"

namespace detent {
namespace {

constexpr std::uint64_t kInternalErrorExit = 125;

iovec piece(const char* text) { return {const_cast<char*>(text), std::strlen(text)}; }

// The digits of `number`, written backwards from the end of `buffer`.
const char* decimal(int number, std::array<char, 12>& buffer) {
  char* digit = buffer.end();
  *--digit = '\0';
  auto rest = static_cast<unsigned>(number);
  do {
    *--digit = static_cast<char>('0' + rest % 10);
    rest /= 10;
  } while (rest != 0);
  return digit;
}

}  // namespace

// Runs in a signal handler, perhaps on the guest's FS base and with a broken heap: so no stdio, no
// allocation and one single write.
void assertion_failed(const char* expression, const char* file, int line) {
  std::array<char, 12> digits;
  const std::array<iovec, 7> message{piece("detent: internal error: assertion failed: "),
                                     piece(expression),
                                     piece(" ("),
                                     piece(file),
                                     piece(":"),
                                     piece(decimal(line, digits)),
                                     piece(")\n")};
  base::raw_syscall(SYS_writev, STDERR_FILENO, reinterpret_cast<std::uint64_t>(message.data()),
                    message.size());
  base::raw_syscall(SYS_exit_group, kInternalErrorExit);
  __builtin_trap();
}

}  // namespace detent

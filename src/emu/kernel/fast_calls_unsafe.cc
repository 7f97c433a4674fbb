#include "emu/kernel/fast_calls_unsafe.h"

#include <asm/unistd.h>
#include <errno.h>
#include <linux/futex.h>

#include "emu/mem/user_copy_unsafe.h"

namespace {

// In rax and rdx: enter_unsafe.S looks at the second.
struct Answer {
  long value;
  long declined;
};
constexpr Answer kDecline{0, 1};
constexpr long kNumbers = 256;  // FAST_LIMIT in enter_unsafe.S

}  // namespace

extern "C" {
using FastCall = Answer (*)(std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t,
                            std::uint64_t, std::uint64_t);
// Known to enter_unsafe.S. An empty entry: no such fast call.
FastCall detent_fast_table[kNumbers];
std::uint64_t detent_fast_calls[kNumbers];
long detent_load32(const void* from, std::uint32_t* value);
}

namespace detent::emu {
namespace {

waitq::FutexTable* futex_table = nullptr;
long present_tid = 0;

Answer fast_gettid(std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t,
                   std::uint64_t) {
  return {present_tid, 0};
}

// A guest's address, and none of the kernel's. Trampolines may be read: the guest can see them anyway.
bool is_plain(std::uint64_t address) {
  const bool in_image = address >= mem::kImageBase && address < mem::kImageLimit;
  const bool is_reserved = address >= mem::kHeapBase && address < mem::kReservedEnd;
  return address % 4 == 0 && address < mem::kUserEnd && !in_image && !is_reserved;
}

Answer wake(std::uint64_t address) {
  if (!is_plain(address)) return kDecline;
  if (futex_table->waiters({waitq::kPrivateSpace, address}) != 0) return kDecline;
  return {0, 0};
}

Answer wait(std::uint64_t address, std::uint32_t expected) {
  std::uint32_t word = 0;
  if (!is_plain(address) || detent_load32(reinterpret_cast<const void*>(address), &word) != 0) {
    return kDecline;
  }
  if (word == expected) return kDecline;
  return {-EAGAIN, 0};
}

// A time-out is checked before the word: that is left to the kernel proper.
Answer fast_futex(std::uint64_t address, std::uint64_t op, std::uint64_t value,
                  std::uint64_t timeout, std::uint64_t, std::uint64_t bitset) {
  switch (static_cast<std::uint32_t>(op)) {
    case FUTEX_WAKE_PRIVATE:
      return wake(address);
    case FUTEX_WAIT_PRIVATE:
      return timeout == 0 ? wait(address, static_cast<std::uint32_t>(value)) : kDecline;
    case FUTEX_WAIT_BITSET_PRIVATE:
    case FUTEX_WAIT_BITSET_PRIVATE | FUTEX_CLOCK_REALTIME:
      return timeout == 0 && static_cast<std::uint32_t>(bitset) != 0
                 ? wait(address, static_cast<std::uint32_t>(value))
                 : kDecline;
    default:
      return kDecline;
  }
}

}  // namespace

void enable_fast_calls(waitq::FutexTable& futexes) {
  futex_table = &futexes;
  detent_fast_table[__NR_gettid] = fast_gettid;
  detent_fast_table[__NR_futex] = fast_futex;
}

void set_fast_tid(std::int32_t tid) { present_tid = tid; }

std::uint64_t fast_calls_made(long number) {
  return number >= 0 && number < kNumbers ? detent_fast_calls[number] : 0;
}

}  // namespace detent::emu

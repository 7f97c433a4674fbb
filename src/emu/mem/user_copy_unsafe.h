// The only reader and writer of guest memory. A fault becomes EFAULT through a fix-up (as in a kernel),
// with no host call on the way. Addresses inside the kernel's own memory are refused as if unmapped.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "detent/result.h"
#include "detent/user_ptr.h"

namespace detent::mem {

/// Copies `size` bytes from guest memory. EFAULT if any byte can't be read; `to` is then undefined.
Result<void> copy_in_bytes(void* to, std::uint64_t from, std::size_t size);
/// Copies `size` bytes to guest memory. EFAULT if any byte can't be written; a prefix may be.
Result<void> copy_out_bytes(std::uint64_t to, const void* from, std::size_t size);

template <class T>
Result<std::remove_const_t<T>> copy_in(UserPtr<T> from) {
  static_assert(std::is_trivially_copyable_v<T>);
  std::remove_const_t<T> value;
  const Result<void> copied = copy_in_bytes(&value, from.address(), sizeof(T));
  if (!copied.ok()) return copied.error();
  return value;
}

template <class T>
Result<void> copy_out(UserPtr<T> to, const T& value) {
  static_assert(std::is_trivially_copyable_v<T>);
  return copy_out_bytes(to.address(), &value, sizeof(T));
}

/// A NUL-terminated string of less than `limit` bytes; ENAMETOOLONG if there is no NUL before it.
Result<std::string> copy_in_string(UserPtr<const char> from, std::size_t limit = 4096);

/// One aligned 32-bit load (a futex word). EFAULT as above.
Result<std::uint32_t> load_u32(std::uint64_t address);
/// Atomic compare-and-exchange on a guest word; returns the value found before.
Result<std::uint32_t> compare_exchange_u32(std::uint64_t address, std::uint32_t expected,
                                           std::uint32_t desired);

/// Where every user address space ends: TASK_SIZE_MAX with 4-level paging.
inline constexpr std::uint64_t kUserEnd = 0x7ffffffff000;
/// False for ranges that no user address space has: what access_ok() refuses before anything else.
bool is_user_range(std::uint64_t address, std::uint64_t size);

/// A guest address as a pointer, only for handing on to the host (iovec, msghdr).
void* guest_pointer(std::uint64_t address);

/// The kernel's memory (image, heap, stacks, trampolines). Guest mappings may not touch it.
bool is_kernel_range(std::uint64_t address, std::uint64_t size);

/// Fixed places, the same in every process (docs/architecture.md, "Memory").
inline constexpr std::uint64_t kImageBase = 0x70000000;
inline constexpr std::uint64_t kImageLimit = 0x71000000;
inline constexpr std::uint64_t kHeapBase = 0x7ee000000000;
inline constexpr std::uint64_t kHeapSize = 64ULL << 30;
inline constexpr std::uint64_t kStacksBase = kHeapBase + kHeapSize;
inline constexpr std::uint64_t kStacksSize = 64ULL << 30;
inline constexpr std::uint64_t kVforkBase = kStacksBase + kStacksSize;
inline constexpr std::uint64_t kVforkSize = 64ULL << 30;
inline constexpr std::uint64_t kSessionBase = kVforkBase + kVforkSize;
inline constexpr std::uint64_t kSessionSize = 2 << 20;
inline constexpr std::uint64_t kReservedEnd = kSessionBase + kSessionSize;

struct Range {
  std::uint64_t begin;
  std::uint64_t end;
};
/// The kernel's ranges, lowest first.
std::vector<Range> kernel_ranges();

}  // namespace detent::mem

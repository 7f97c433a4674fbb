#include "emu/mem/user_copy_unsafe.h"

#include <algorithm>

#include "emu/arch/x86_64/site_patcher_unsafe.h"

extern "C" {
long detent_copy(void* to, const void* from, std::size_t size);
long detent_load32(const void* from, std::uint32_t* value);
long detent_cmpxchg32(void* address, std::uint32_t* expected, std::uint32_t desired);
}

namespace detent::mem {
namespace {

bool overlaps(std::uint64_t address, std::uint64_t size, std::uint64_t begin, std::uint64_t end) {
  return address < end && address + size > begin;
}

bool is_kernel_data(std::uint64_t address, std::uint64_t size) {
  return overlaps(address, size, kImageBase, kImageLimit) ||
         overlaps(address, size, kHeapBase, kReservedEnd);
}

// Trampolines are not asked for: they can't be written, and reading them does no harm.
bool acceptable(std::uint64_t address, std::uint64_t size) {
  return is_user_range(address, size) && !is_kernel_data(address, size);
}

void* pointer(std::uint64_t address) { return reinterpret_cast<void*>(address); }

}  // namespace

bool is_user_range(std::uint64_t address, std::uint64_t size) {
  return address <= kUserEnd && size <= kUserEnd - address;
}

void* guest_pointer(std::uint64_t address) { return pointer(address); }

std::vector<Range> kernel_ranges() {
  std::vector<Range> ranges{{kImageBase, kImageLimit}, {kHeapBase, kReservedEnd}};
  for (const arch::AddressRange& region : arch::site_patcher().regions()) {
    ranges.push_back({region.begin, region.end});
  }
  std::ranges::sort(ranges, {}, &Range::begin);
  return ranges;
}

bool is_kernel_range(std::uint64_t address, std::uint64_t size) {
  if (is_kernel_data(address, size)) return true;
  const auto regions = arch::site_patcher().regions();
  return std::ranges::any_of(regions, [&](const arch::AddressRange& region) {
    return overlaps(address, size, region.begin, region.end);
  });
}

Result<void> copy_in_bytes(void* to, std::uint64_t from, std::size_t size) {
  if (size == 0) return {};
  if (!acceptable(from, size) || detent_copy(to, pointer(from), size) != 0) return Errno{EFAULT};
  return {};
}

Result<void> copy_out_bytes(std::uint64_t to, const void* from, std::size_t size) {
  if (size == 0) return {};
  if (!acceptable(to, size) || detent_copy(pointer(to), from, size) != 0) return Errno{EFAULT};
  return {};
}

Result<std::string> copy_in_string(UserPtr<const char> from, std::size_t limit) {
  std::string text;
  std::uint64_t address = from.address();
  while (text.size() < limit) {
    // Up to the end of the page: the next one may not be mapped.
    char chunk[256];
    const std::size_t size = std::min<std::size_t>(sizeof(chunk), 4096 - address % 4096);
    TRY(copy_in_bytes(chunk, address, size));
    const char* end = std::find(chunk, chunk + size, '\0');
    text.append(chunk, static_cast<std::size_t>(end - chunk));
    if (end != chunk + size) break;
    address += size;
  }
  if (text.size() >= limit) return Errno{ENAMETOOLONG};
  return text;
}

Result<std::uint32_t> load_u32(std::uint64_t address) {
  std::uint32_t value = 0;
  if (!acceptable(address, 4) || detent_load32(pointer(address), &value) != 0) return Errno{EFAULT};
  return value;
}

Result<std::uint32_t> compare_exchange_u32(std::uint64_t address, std::uint32_t expected,
                                           std::uint32_t desired) {
  if (!acceptable(address, 4) || detent_cmpxchg32(pointer(address), &expected, desired) != 0) {
    return Errno{EFAULT};
  }
  return expected;
}

}  // namespace detent::mem

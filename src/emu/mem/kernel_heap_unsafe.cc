// Replaces malloc in the detent image only (unit tests keep their own). Size classes with free lists: 16
// bytes to 1 KiB in steps of 16, then powers of two. Memory is never given back.
#include <sys/mman.h>
#include <sys/syscall.h>

#include <bit>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>

#include "detent/assert.h"
#include "emu/arch/x86_64/host_call.h"
#include "emu/mem/kernel_heap.h"
#include "emu/mem/user_copy_unsafe.h"

namespace detent::mem {
namespace {

// In front of every block. `offset` leads from an aligned block back to the start of its allocation.
struct Header {
  std::uint32_t size_class;
  std::uint32_t offset;
  std::uint64_t size;
};
static_assert(sizeof(Header) == 16);

struct FreeBlock {
  FreeBlock* next;
};

constexpr std::size_t kSmallLimit = 1024;
constexpr std::uint32_t kSmallClasses = kSmallLimit / 16;
constexpr std::uint32_t kClasses = kSmallClasses + 40;

FreeBlock* free_lists[kClasses];
std::uint64_t heap_base = 0;
std::uint64_t heap_end = 0;
std::uint64_t next_free = 0;

std::uint32_t class_of(std::size_t size) {
  if (size <= kSmallLimit) return size == 0 ? 0 : static_cast<std::uint32_t>((size - 1) / 16);
  return kSmallClasses + static_cast<std::uint32_t>(std::bit_width(size - 1)) - 11;
}

std::size_t class_size(std::uint32_t size_class) {
  if (size_class < kSmallClasses) return (size_class + 1) * std::size_t{16};
  return std::size_t{1} << (size_class - kSmallClasses + 11);
}

bool map_range(std::uint64_t base, std::uint64_t size, int prot) {
  const long at = arch::host_syscall(
      SYS_mmap, base, size, static_cast<std::uint64_t>(prot),
      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, ~0ULL, 0);
  return at == static_cast<long>(base);
}

// The command line runs before ASLR is off, when anything may lie at the fixed place; it takes memory
// anywhere, less of it under a limit. The kernel itself insists (reserve_kernel_memory).
void make_heap() {
  heap_base = kHeapBase;
  heap_end = kHeapBase + kHeapSize;
  if (!map_range(kHeapBase, kHeapSize, PROT_READ | PROT_WRITE)) {
    long at = -1;
    std::uint64_t size = 0;
    for (const std::uint64_t wanted : {std::uint64_t{4} << 30, std::uint64_t{16} << 20}) {
      if (at > 0) break;
      size = wanted;
      at = arch::host_syscall(SYS_mmap, 0, size, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, ~0ULL, 0);
    }
    DETENT_ASSERT(at > 0);
    heap_base = static_cast<std::uint64_t>(at);
    heap_end = heap_base + size;
  }
  next_free = heap_base;
}

void* allocate(std::size_t size) {
  if (size > (std::size_t{1} << 40)) return nullptr;
  if (heap_base == 0) make_heap();
  const std::uint32_t size_class = class_of(size);
  void* block = free_lists[size_class];
  if (block != nullptr) {
    free_lists[size_class] = static_cast<FreeBlock*>(block)->next;
  } else {
    const std::uint64_t total = sizeof(Header) + class_size(size_class);
    if (next_free + total > heap_end) return nullptr;
    block = reinterpret_cast<char*>(next_free) + sizeof(Header);
    next_free += total;
  }
  *(static_cast<Header*>(block) - 1) = {size_class, 0, class_size(size_class)};
  return block;
}

void* allocate_aligned(std::size_t alignment, std::size_t size) {
  if (alignment <= 16) return allocate(size);
  void* block = allocate(size + alignment);
  if (block == nullptr) return nullptr;
  const auto address = reinterpret_cast<std::uint64_t>(block);
  const std::uint64_t aligned = (address + alignment - 1) & ~(alignment - 1);
  if (aligned == address) return block;
  auto* header = reinterpret_cast<Header*>(aligned) - 1;
  *header = {0, static_cast<std::uint32_t>(aligned - address), size};
  return reinterpret_cast<void*>(aligned);
}

void release(void* block) {
  if (block == nullptr) return;
  const Header* header = static_cast<Header*>(block) - 1;
  if (header->offset != 0) {
    block = static_cast<char*>(block) - header->offset;
    header = static_cast<Header*>(block) - 1;
  }
  const std::uint32_t size_class = header->size_class;
  auto* free_block = static_cast<FreeBlock*>(block);
  free_block->next = free_lists[size_class];
  free_lists[size_class] = free_block;
}

std::size_t usable(void* block) { return (static_cast<Header*>(block) - 1)->size; }

}  // namespace

HeapRange heap_in_use() {
  return {reinterpret_cast<void*>(heap_base), static_cast<std::size_t>(next_free - heap_base)};
}

void reserve_kernel_memory() {
  DETENT_ASSERT(heap_base == kHeapBase && "the kernel's address range is taken");
  DETENT_ASSERT(map_range(kStacksBase, kReservedEnd - kStacksBase, PROT_NONE));
}

}  // namespace detent::mem

extern "C" {

void* malloc(std::size_t size) {
  void* block = detent::mem::allocate(size);
  if (block == nullptr) errno = ENOMEM;
  return block;
}
void free(void* block) { detent::mem::release(block); }
void* calloc(std::size_t count, std::size_t size) {
  std::size_t total = 0;
  if (__builtin_mul_overflow(count, size, &total)) return nullptr;
  void* block = malloc(total);
  if (block != nullptr) std::memset(block, 0, total);
  return block;
}
void* realloc(void* block, std::size_t size) {
  if (block == nullptr) return malloc(size);
  const std::size_t old = detent::mem::usable(block);
  if (size <= old) return block;
  void* bigger = malloc(size);
  if (bigger == nullptr) return nullptr;
  std::memcpy(bigger, block, old);
  free(block);
  return bigger;
}
void* memalign(std::size_t alignment, std::size_t size) {
  return detent::mem::allocate_aligned(alignment, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) { return memalign(alignment, size); }
int posix_memalign(void** result, std::size_t alignment, std::size_t size) {
  *result = memalign(alignment, size);
  return *result == nullptr ? ENOMEM : 0;
}
void* valloc(std::size_t size) { return memalign(4096, size); }
void* pvalloc(std::size_t size) { return memalign(4096, (size + 4095) & ~std::size_t{4095}); }
std::size_t malloc_usable_size(void* block) {
  return block == nullptr ? 0 : detent::mem::usable(block);
}

}  // extern "C"

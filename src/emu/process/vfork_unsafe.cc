#include "emu/process/vfork_unsafe.h"

#include <linux/sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <csignal>
#include <cstring>

#include "detent/assert.h"
#include "emu/arch/x86_64/host_call.h"
#include "emu/mem/kernel_heap.h"
#include "emu/mem/user_copy_unsafe.h"

// Saves the regions of `table`, clones with `flags`, and in the parent restores them, all on registers
// only: the child runs on this very stack in the meantime.
extern "C" long detent_vfork(const void* table, std::uint64_t flags);
extern "C" char data_start[], _end[];

namespace detent::process {
namespace {

// Layout known to detent_vfork.
struct Region {
  void* original;
  void* copy;
  std::size_t size;
};
constexpr std::size_t kRegions = 3;
struct Table {
  Region regions[kRegions];
  Region end;  // size 0
};

constexpr std::size_t page_up(std::size_t size) { return (size + 4095) & ~std::size_t{4095}; }

// The image's data, the heap in use, and the kernel stack that the child runs on.
Table* make_table(Task& task, std::size_t& mapped) {
  const mem::HeapRange heap = mem::heap_in_use();
  const task::KernelStack& stack = task.kernel_stack();
  const Region wanted[kRegions] = {
      {data_start, nullptr, static_cast<std::size_t>(_end - data_start)},
      {heap.begin, nullptr, heap.size},
      {stack.bottom(), nullptr, task::KernelStack::kSize},
  };
  mapped = page_up(sizeof(Table));
  for (const Region& region : wanted) mapped += page_up(region.size);
  const Result<long> at =
      arch::host_call(SYS_mmap, static_cast<std::int64_t>(mem::kVforkBase),
                      static_cast<std::int64_t>(mapped), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
  if (!at.ok()) return nullptr;
  auto* table = reinterpret_cast<Table*>(at.value());
  auto* next = reinterpret_cast<char*>(at.value()) + page_up(sizeof(Table));
  for (std::size_t i = 0; i < kRegions; ++i) {
    table->regions[i] = wanted[i];
    table->regions[i].copy = next;
    next += page_up(wanted[i].size);
  }
  return table;
}

}  // namespace

Result<long> host_vfork(Task& task, std::uint64_t exit_signal) {
  std::size_t mapped = 0;
  Table* table = make_table(task, mapped);
  if (table == nullptr) return Errno{ENOMEM};
  const long pid = detent_vfork(table, CLONE_VM | CLONE_VFORK | exit_signal);
  if (pid != 0) {
    // Back to the reserved state, so that a later vfork finds its place.
    arch::host_call(SYS_mmap, static_cast<std::int64_t>(mem::kVforkBase),
                    static_cast<std::int64_t>(mapped), PROT_NONE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0)
        .value();
  }
  return arch::to_result(pid);
}

}  // namespace detent::process

#include "emu/process/vfork_unsafe.h"

#include <linux/sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <vector>

#include "detent/assert.h"
#include "emu/arch/x86_64/host_call.h"
#include "emu/mem/kernel_heap.h"
#include "emu/mem/user_copy_unsafe.h"
#include "emu/process/process.h"

// Saves the regions of `table`, clones with `flags`, and in the parent restores them, all on registers
// only: the child runs on this very stack in the meantime.
extern "C" long detent_vfork(const void* table, std::uint64_t flags);
extern "C" char data_start[], _end[];

namespace detent::process {
namespace {

// Layout known to detent_vfork; a region of size 0 ends the table.
struct Region {
  void* original;
  void* copy;
  std::size_t size;
};

constexpr std::size_t page_up(std::size_t size) { return (size + 4095) & ~std::size_t{4095}; }

Region region(void* begin, void* end) {
  return {begin, nullptr,
          static_cast<std::size_t>(static_cast<char*>(end) - static_cast<char*>(begin))};
}

// The image's data, the heap in use, the whole kernel stack that the child runs on, and what the other
// tasks have on theirs: waiters and timers that are linked into objects of the heap.
std::vector<Region> kernel_state(Task& task) {
  const mem::HeapRange heap = mem::heap_in_use();
  std::vector<Region> regions{region(data_start, _end),
                              {heap.begin, nullptr, heap.size},
                              region(task.kernel_stack().bottom(), task.kernel_stack().top())};
  task.process().for_each_task([&](Task& other) {
    if (&other == &task) return;
    regions.push_back(region(other.fiber().saved_stack_pointer(), other.kernel_stack().top()));
  });
  return regions;
}

// Lays out the table and room for the copies in the range that is reserved for them.
Region* make_table(Task& task, std::size_t& mapped) {
  std::vector<Region> regions = kernel_state(task);
  // The heap may have grown by the vector itself.
  regions[1].size = mem::heap_in_use().size;
  const std::size_t table_size = page_up((regions.size() + 1) * sizeof(Region));
  mapped = table_size;
  for (const Region& wanted : regions) mapped += page_up(wanted.size);
  const Result<long> at = arch::host_call(
      SYS_mmap, static_cast<std::int64_t>(mem::kVforkBase), static_cast<std::int64_t>(mapped),
      PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
  if (!at.ok()) return nullptr;
  auto* table = reinterpret_cast<Region*>(at.value());
  auto* next = reinterpret_cast<char*>(at.value()) + table_size;
  for (std::size_t i = 0; i < regions.size(); ++i) {
    table[i] = regions[i];
    table[i].copy = next;
    next += page_up(regions[i].size);
  }
  return table;
}

}  // namespace

Result<long> host_vfork(Task& task, std::uint64_t exit_signal) {
  std::size_t mapped = 0;
  Region* table = make_table(task, mapped);
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

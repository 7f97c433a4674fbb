#include "emu/task/kernel_stack_unsafe.h"

#include <sys/mman.h>
#include <sys/syscall.h>

#include <functional>
#include <queue>
#include <vector>

#include "detent/assert.h"
#include "emu/arch/x86_64/host_call.h"
#include "emu/mem/user_copy_unsafe.h"

namespace detent::task {
namespace {

constexpr std::size_t kGuard = 4096;
constexpr std::size_t kStride = KernelStack::kSize + kGuard;

struct Pool {
  std::uint32_t used = 0;
  std::priority_queue<std::uint32_t, std::vector<std::uint32_t>, std::greater<>> free;
};

Pool& pool() {
  static Pool instance;
  return instance;
}

std::uint64_t base_of(std::uint32_t index) { return mem::kStacksBase + index * kStride; }

std::uint32_t take() {
  Pool& p = pool();
  if (!p.free.empty()) {
    const std::uint32_t index = p.free.top();
    p.free.pop();
    return index;
  }
  const std::uint64_t stack = base_of(p.used) + kGuard;
  arch::host_call(SYS_mmap, static_cast<std::int64_t>(stack), KernelStack::kSize,
                  PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED,
                  -1, 0)
      .value();
  return p.used++;
}

}  // namespace

KernelStack::KernelStack() : index_(take()) {}
KernelStack::~KernelStack() { pool().free.push(index_); }

void* KernelStack::bottom() const { return reinterpret_cast<void*>(base_of(index_) + kGuard); }
void* KernelStack::top() const { return static_cast<char*>(bottom()) + kSize; }

}  // namespace detent::task

// KernelStack: 64 KiB for a task's fiber, with a guard page below, out of one fixed region.
//
// Memory is taken on demand by the host, and a freed stack is reused first (lowest address first, so
// that addresses repeat from run to run).
#pragma once

#include <cstddef>
#include <cstdint>

namespace detent::task {

class KernelStack {
 public:
  static constexpr std::size_t kSize = 64 * 1024;

  KernelStack();
  ~KernelStack();
  KernelStack(const KernelStack&) = delete;
  KernelStack& operator=(const KernelStack&) = delete;

  [[nodiscard]] void* top() const;
  [[nodiscard]] void* bottom() const;

 private:
  std::uint32_t index_;
};

}  // namespace detent::task

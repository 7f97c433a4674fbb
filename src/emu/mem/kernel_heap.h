// The kernel's heap: malloc and operator new of everything in the detent image. One fixed region, so that
// addresses repeat, guest mappings cannot come near, and vfork can copy it aside.
#pragma once

#include <cstddef>

namespace detent::mem {

struct HeapRange {
  void* begin;
  std::size_t size;
};
/// The part of the region that has ever been handed out.
HeapRange heap_in_use();

/// Reserves the rest of the kernel's address range (stacks, vfork copies) before the guest can map
/// anything there, and sees to it that the heap is at its fixed place. Ends the process if the range is
/// taken. Called once, before the first task.
void reserve_kernel_memory();

}  // namespace detent::mem

// Fiber: a kernel stack and the place where it was left. A switch keeps what the C ABI says, and leaves the
// x87 control word alone, which Boost.Context would not.
//
// A fiber runs `entry(argument)` on its first switch_to; entry never returns (the last switch away is
// final, and the stack is freed by whoever runs next).
#pragma once

namespace detent::arch {

class Fiber {
 public:
  /// The context that is running already (the boot stack); it becomes resumable when left.
  Fiber() = default;
  /// `stack_top`: the high end of at least 16 KiB, on a 16-byte boundary, owned by the caller and outliving
  /// the fiber.
  Fiber(void* stack_top, void (*entry)(void*), void* argument);
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  /// Leaves `from` (the running one) and continues `to`. Returns when somebody switches back.
  static void switch_to(Fiber& from, Fiber& to);

  /// The stack pointer of a fiber that is not running: what lies above it on its stack is in use.
  [[nodiscard]] void* saved_stack_pointer() const { return context_; }

 private:
  void* context_ = nullptr;
};

}  // namespace detent::arch

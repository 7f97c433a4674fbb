// Points: preemption points inside the guest's own code (--points=atomics).
//
// Part of the Kernel. Finds the atomic instructions and PAUSEs of every executable mapping of a file when
// it is mapped, makes them ask (SitePatcher::add_points), and answers: the task publishes what it is about
// to do, the chooser may let another go first. In a run without such points all of this does nothing.
#pragma once

#include <cstdint>
#include <string_view>

#include "detent/ids.h"
#include "emu/arch/x86_64/patch_plan.h"
#include "emu/task/task.h"

namespace detent::emu {

class Kernel;

/// True if one of the names in `list` (with commas between them) is `path` or its last part.
bool is_listed(std::string_view list, std::string_view path);

class Points {
 public:
  explicit Points(Kernel& kernel) : kernel_(kernel) {}

  /// Finds the points of what is mapped already: program and interpreter. Only if the configuration asks for
  /// points; `context` of the handler is the kernel.
  void start();
  /// The guest has mapped `size` bytes at `address` of the file `fd`, from `offset` on.
  void on_map(std::uint64_t address, std::uint64_t size, int prot, int flags, int fd,
              std::uint64_t offset);
  /// A task is about to enter the guest: nothing is asked in vain.
  void before_guest();
  /// `task` is at `point`; its registers are as if the instruction had not been reached.
  void at(Task& task, const arch::Patch& point);
  /// How often that mattered.
  [[nodiscard]] std::uint64_t asked() const { return asked_; }

 private:
  void scan(int fd, std::uint64_t address, std::uint64_t size, std::uint64_t offset);
  void publish(Task& task, const arch::Patch& point, std::uint64_t address);
  [[nodiscard]] bool wanted() const;

  Kernel& kernel_;
  arch::PointSlots slots_{};
  std::uint64_t asked_ = 0;
  bool enabled_ = false;
};

}  // namespace detent::emu

// UserState: everything the processor knows about a guest thread while the kernel runs.
//
// Owned by a Task. Written when the guest comes back (landing in enter_unsafe.cc), read by
// enter_guest(), and in between changed by system call results, signal delivery and rt_sigreturn.
// The layout is known to enter_unsafe.S; static_asserts in enter_unsafe.cc hold the two together.
#pragma once

#include <cstdint>

namespace detent::arch {

struct UserRegs {
  std::uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp;
  std::uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
  std::uint64_t rip, rflags, fs_base, gs_base;
};

class UserState {
 public:
  UserState();
  UserState(const UserState& other);
  UserState& operator=(const UserState& other) = delete;
  ~UserState();

  UserRegs regs{};

  /// The XSAVE image in the standard (not compacted) format, 64-byte aligned, xsave_size() bytes. Valid until
  /// the guest runs again.
  [[nodiscard]] unsigned char* xsave() {
    to_image();
    return xsave_;
  }
  [[nodiscard]] const unsigned char* xsave() const {
    to_image();
    return xsave_;
  }
  /// Bytes of an XSAVE image here, as CPUID.0DH and XCR0 say.
  static std::uint32_t xsave_size();
  /// Features that XRSTOR restores (XCR0).
  static std::uint64_t xsave_features();
  /// Sets the vector and x87 state to what execve gives: Intel SDM vol. 1, 13.6 "initial".
  void reset_vectors();

  /// Demands that enter_guest() restores rcx and r11 too (by IRET). A system call return need not:
  /// the instruction itself destroys them.
  void require_full_restore() { full_restore_ = 1; }

  [[nodiscard]] std::uint64_t syscall_arg(int index) const;

  /// How a patched call saves vector registers; decided once from XCR0.
  enum class VectorMode : std::uint32_t {
    kXsave,   ///< by XSAVE: the processor has more than what the others know
    kAvx,     ///< 16 ymm by hand
    kAvx512,  ///< 32 zmm and 8 mask registers by hand
  };
  static VectorMode vector_mode();

  /// For enter_unsafe.S: gives the processor's x87 state to `to`, the one before to its owner's image.
  static void switch_x87(UserState& to);
  /// The latter half alone.
  static void save_x87_of_owner();

 private:
  friend struct UserStateLayout;
  void to_image() const;
  void registers_to_image() const;

  unsigned char* xsave_;
  std::uint64_t full_restore_ = 1;  // 2: by jump to resume_target_, at a preemption point
  std::uint64_t iret_frame_[5] = {};
  // A patched call leaves rip at its return address in the original text, and continues in a trampoline.
  std::uint64_t resume_rip_ = 0;
  std::uint64_t resume_target_ = 0;
  // Vector registers and MXCSR as a patched call saved them: newer than the image while by_hand_. The x87
  // state is not saved there but stays in the processor, which the kernel does not use it of: see
  // detent_x87_owner.
  unsigned char* registers_;
  mutable std::uint32_t by_hand_ = 0;
  std::uint32_t mxcsr_ = 0;
  // The preemption point at which the kernel has been asked, and where its instruction is now: entering
  // there, the guest is not asked again.
  std::uint64_t asked_rip_ = 0;
  std::uint64_t asked_target_ = 0;
};

}  // namespace detent::arch

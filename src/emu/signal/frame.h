// The frame that a signal handler finds on its stack, exactly as Linux lays it out.
//
//   higher addresses
//     red zone                128 bytes below the interrupted rsp (not on an alternate stack)
//     FP_XSTATE_MAGIC2        4 bytes, directly behind the image
//     XSAVE image             64-byte aligned; struct SwReserved at byte 464 says how long it is
//     Frame                   (address + 8) % 16 == 0, as after a call; rsp at the handler's entry
//   lower addresses
//
// Source: struct rt_sigframe in arch/x86/include/asm/sigframe.h, struct sigcontext_64 and struct
// _fpx_sw_bytes in arch/x86/include/uapi/asm/sigcontext.h, arch/x86/kernel/signal{,_64}.c.
#pragma once

#include <csignal>
#include <cstddef>
#include <cstdint>

namespace detent::signal::frame {

// uc_flags. UC_SIGCONTEXT_SS and UC_STRICT_RESTORE_SS: the frame holds ss, and ss is restored from it.
inline constexpr std::uint64_t kHasXstate = 1;
inline constexpr std::uint64_t kHasSs = 2;
inline constexpr std::uint64_t kRestoresSs = 4;

inline constexpr std::uint16_t kUserCs = 0x33;
inline constexpr std::uint16_t kUserSs = 0x2b;
inline constexpr std::uint64_t kRedZone = 128;

/// stack_t with a number for its address.
struct Stack {
  std::uint64_t address;
  std::int32_t flags;
  std::int32_t padding;
  std::uint64_t size;
};
static_assert(sizeof(Stack) == sizeof(stack_t));

struct Machine {
  std::uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
  std::uint64_t rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, rflags;
  std::uint16_t cs, gs, fs, ss;
  std::uint64_t error_code, vector, old_mask, fault_address;
  std::uint64_t fpstate;  ///< guest address of the XSAVE image, or 0
  std::uint64_t reserved[8];
};
static_assert(sizeof(Machine) == 256);

struct Context {
  std::uint64_t flags;
  std::uint64_t link;
  Stack stack;
  Machine machine;
  std::uint64_t mask;
};
static_assert(offsetof(Context, machine) == 40 && offsetof(Context, mask) == 296);

struct Frame {
  std::uint64_t return_address;  ///< sa_restorer: calls rt_sigreturn(2)
  Context context;
  siginfo_t info;
};
static_assert(offsetof(Frame, info) == 312 && sizeof(Frame) == 440);

inline constexpr std::uint32_t kMagic1 = 0x46505853;  ///< FP_XSTATE_MAGIC1
inline constexpr std::uint32_t kMagic2 = 0x46505845;  ///< FP_XSTATE_MAGIC2
inline constexpr std::size_t kLegacySize = 512;       ///< FXSAVE's part of an image
inline constexpr std::size_t kHeaderEnd = 576;        ///< then the XSAVE header
inline constexpr std::size_t kSwReservedOffset = 464;

struct SwReserved {
  std::uint32_t magic1;
  std::uint32_t extended_size;  ///< xstate_size and the second magic
  std::uint64_t features;
  std::uint32_t xstate_size;
  std::uint32_t padding[7];
};
static_assert(kSwReservedOffset + sizeof(SwReserved) == kLegacySize);

}  // namespace detent::signal::frame

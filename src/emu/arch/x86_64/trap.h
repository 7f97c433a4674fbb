// Trap: why the guest came back, and enter_guest(), the only way in.
#pragma once

#include <csignal>
#include <cstdint>

#include "emu/arch/x86_64/patch_plan.h"
#include "emu/arch/x86_64/user_state.h"

namespace detent::arch {

enum class TrapKind : std::uint32_t {
  kSyscall,    ///< a system call; number in regs.rax, rip behind the instruction
  kFault,      ///< a synchronous host signal (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP); see `info`
  kInterrupt,  ///< a host signal was recorded (interrupts.h); the guest's registers are untouched
  kPoint,      ///< at a preemption point, whose instruction is not executed yet; see `point`
  kMoved,  ///< the guest jumped to an instruction that a patch has moved: enter again by full restore
};

struct Trap {
  TrapKind kind = TrapKind::kInterrupt;
  bool foreign_abi = false;       ///< a system call by int 0x80 or with an x32 number
  siginfo_t info{};               ///< for kFault
  std::uint64_t error_code = 0;   ///< for kFault: the processor's error code (REG_ERR)
  const Patch* point = nullptr;   ///< for kPoint
  std::uint64_t trap_number = 0;  ///< for kFault: the processor's vector (REG_TRAPNO)
};

/// Prepares this host thread: alternate stack, handlers for SIGSYS and the synchronous faults. The
/// kernel's FS base is the one in force at this call. Call once, before any enter_guest().
void install_landing_pad();

/// Runs the guest from `state` until it comes back by a signal. Called on a task's fiber; returns on the
/// same one. The answer holds until the next call. Patched calls go to the call handler, on the same fiber.
const Trap& enter_guest(UserState& state);

/// Serves one patched system call of the task that runs, whose UserState is as after a kSyscall trap.
using CallHandler = void (*)(void* context);
/// Opens the door for patched call sites. Returns the address of the pointer to jump through.
std::uint32_t install_call_handler(CallHandler handler, void* context);

/// Asks what shall happen at a preemption point of the task that runs, whose UserState is as after a kPoint
/// trap.
using PointHandler = void (*)(void* context, const Patch& point);
/// Opens the door for preemption points, with the context of the call handler. Closed at first.
PointSlots install_point_handler(PointHandler handler);
/// While the door is closed, points that are jumps go on at once; those by int3 come as kPoint all the same.
void open_point_door(bool open);

/// True if `address` lies in the kernel image's text.
bool in_kernel_text(std::uint64_t address);

/// Where the seccomp filter lets system calls pass: the kernel image's text.
struct TextRange {
  std::uint64_t begin;
  std::uint64_t end;
};
TextRange kernel_text();

/// Makes this thread's RDTSC fault, so that virtual time is the only time (prctl PR_SET_TSC).
void disable_tsc();

}  // namespace detent::arch

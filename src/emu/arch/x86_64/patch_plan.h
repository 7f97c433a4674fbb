// A patch plan: how a system call instruction becomes a jump. Pure computation; site_patcher_unsafe.h acts.
//
//   site                                 trampoline, within 2 GiB
//     syscall       -> jmp trampoline      lea site+2(%rip), %rcx     as the instruction itself does
//     cmp $..,%rax  ->  (rest filled)      lea 1f(%rip), %r11         where the kernel goes on
//     ja ...                               jmp *entry                 the kernel's door
//                                        1: cmp $..,%rax              what the jump overwrote
//                                          jmp site+8
//
// Nobody can prove that nothing ever jumps behind the system call: its return address may lie on a stack,
// in a signal frame or in a jump table. So nothing is proved. The trampoline is placed such that each byte
// of the jump where an instruction used to start is one that faults in user mode (hlt, or an opcode that
// 64-bit mode does not have): whoever jumps there faults at exactly that address, and is sent to the moved
// instruction.
//
// A preemption point (point_finder.h) is moved as well, behind a head that asks the kernel and changes
// nothing:
//
//   site                                 trampoline
//     lock cmpxchg  ->  jmp trampoline     mov %rsp, guest_rsp
//     jne ...           (rest filled)      mov kernel_rsp, %rsp
//                                          call *door               others may run meanwhile
//                                          mov guest_rsp, %rsp
//                                          lock cmpxchg             and what else the jump overwrote
//                                          jmp behind
//
// Where that cannot be, the first byte becomes int3, and a signal handler asks; then there is no head.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "emu/arch/x86_64/instruction.h"
#include "emu/arch/x86_64/shape.h"

namespace detent::arch {

inline constexpr std::size_t kSyscallSize = 2;
inline constexpr std::size_t kJumpSize = 5;
/// Bytes of a site that a plan may have to look at.
inline constexpr std::size_t kSiteWindow = 32;
inline constexpr std::size_t kTrampolineSize = 64;
/// The part of a trampoline before the moved instructions.
inline constexpr std::size_t kHeadSize = 21;
/// The same at a preemption point; the call returns to kPointAsked, and rsp is the kernel's from
/// kPointOnKernelStack up to the end of the head.
inline constexpr std::size_t kPointHeadSize = 31;
inline constexpr std::size_t kPointOnKernelStack = 16;
inline constexpr std::size_t kPointAsked = 23;
/// Where such a trampoline keeps a number for its owner, behind its code.
inline constexpr std::size_t kPointNumber = kTrampolineSize - 4;

/// What is moved from behind a system call.
struct PatchPlan {
  static constexpr std::size_t kMaxMoved = 4;
  std::array<Instruction, kMaxMoved> moved{};
  std::uint8_t count = 0;
  /// Bytes of the site, the system call included; at least kJumpSize.
  std::uint8_t length = 0;
  /// Offsets within the jump (2 to 4) where an instruction starts, as bits.
  std::uint8_t starts = 0;
};

/// A plan for the system call at the start of `code`, which lies at address `site`. Nothing if it can't be
/// patched: what follows is not on the decoder's list, or runs on behind a return.
std::optional<PatchPlan> plan_patch(std::uint64_t site, std::span<const std::uint8_t> code);

/// The same for a preemption point, whose shape is given. Nothing if another point would have to move with
/// it.
std::optional<PatchPlan> plan_point(std::uint64_t site, std::span<const std::uint8_t> code,
                                    const Shape& point);

/// The first multiple of kTrampolineSize from `begin` on where a trampoline gives the jump faulting bytes at
/// all starts; nothing if there is none before `end` or within reach.
std::optional<std::uint64_t> first_safe_place(const PatchPlan& plan, std::uint64_t site,
                                              std::uint64_t begin, std::uint64_t end);

/// Top bytes of a jump's displacement that fault, nearest first: where a region for trampolines serves every
/// plan. Each stands for a span of 16 MiB, from `value` << 24 behind the jump.
inline constexpr std::array<std::int8_t, 13> kSpansAhead = {
    0x06, 0x07, 0x0e, 0x16, 0x17, 0x1e, 0x1f, 0x27, 0x2f, 0x37, 0x3f, 0x60, 0x61};
inline constexpr std::array<std::int8_t, 7> kSpansBehind = {-0x0c, -0x16, -0x2a, -0x2c,
                                                            -0x32, -0x66, -0x7e};

/// How a guest comes from a patched site into the kernel.
enum class PatchDoor : std::uint8_t {
  kCall,       ///< a system call, by jump
  kPoint,      ///< a preemption point, by jump
  kTrapPoint,  ///< a preemption point, by int3
};

/// A plan carried out, in memory of ours.
struct Patch {
  PatchDoor door = PatchDoor::kCall;
  Shape shape;  ///< of a preemption point
  std::uint64_t site = 0;
  std::uint64_t trampoline = 0;
  std::uint8_t length = 0;  ///< bytes of the site that are replaced
  std::uint8_t count = 0;
  std::array<std::uint8_t, kSiteWindow> original{};
  std::array<std::uint8_t, kSiteWindow> replacement{};
  std::array<std::uint8_t, kTrampolineSize> code{};
  /// Where each moved instruction started and now starts, and (last) where they end.
  struct Move {
    std::uint8_t from;
    std::uint8_t to;
  };
  std::array<Move, PatchPlan::kMaxMoved + 1> moves{};

  /// Where the instruction that was at `address` behind the site is now; nothing if none started there or
  /// none was moved from there.
  [[nodiscard]] std::optional<std::uint64_t> moved_to(std::uint64_t address) const;
  /// Where a preemption point itself is now.
  [[nodiscard]] std::uint64_t point_target() const { return trampoline + moves[0].to; }
  /// The address that a program should see for `address` in the trampoline behind the head.
  [[nodiscard]] std::uint64_t original_of(std::uint64_t address) const;
};

/// `entry` is the address of the pointer to the kernel's door, below 2 GiB. Nothing if a RIP-relative operand
/// or a jump target is out of reach from the trampoline, or the code does not fit.
std::optional<Patch> make_patch(const PatchPlan& plan, std::uint64_t site,
                                std::span<const std::uint8_t> code, std::uint64_t trampoline,
                                std::uint32_t entry);

/// Addresses below 2 GiB of what the head of a point uses: a slot for each stack pointer, and the pointer to
/// the door.
struct PointSlots {
  std::uint32_t guest_rsp;
  std::uint32_t kernel_rsp;
  std::uint32_t door;
};

/// The same for a preemption point, by jump. `number` is for the owner.
std::optional<Patch> make_point_patch(const PatchPlan& plan, std::uint64_t site,
                                      std::span<const std::uint8_t> code, const Shape& point,
                                      std::uint64_t trampoline, const PointSlots& slots,
                                      std::uint32_t number);
/// And by int3.
std::optional<Patch> make_trap_patch(std::uint64_t site, std::span<const std::uint8_t> code,
                                     const Shape& point, std::uint64_t trampoline);

}  // namespace detent::arch

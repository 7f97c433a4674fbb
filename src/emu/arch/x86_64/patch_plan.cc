#include "emu/arch/x86_64/patch_plan.h"

#include <algorithm>
#include <cstring>
#include <limits>

namespace detent::arch {
namespace {

constexpr std::uint8_t kFaults = 0xf4;      // hlt: privileged
constexpr std::uint8_t kBreakpoint = 0xcc;  // int3

// Opcodes that raise #UD in 64-bit mode on any processor, and hlt (Intel SDM vol. 2, A.3). Not those that APX
// has taken (d5), not in and out, which a process may be given.
constexpr std::array<std::uint8_t, 20> kFaulting = {0x06, 0x07, 0x0e, 0x16, 0x17, 0x1e,   0x1f,
                                                    0x27, 0x2f, 0x37, 0x3f, 0x60, 0x61,   0x82,
                                                    0x9a, 0xce, 0xd4, 0xd6, 0xea, kFaults};

bool faults(std::uint8_t byte) { return std::ranges::find(kFaulting, byte) != kFaulting.end(); }

std::optional<std::int32_t> reach(std::uint64_t from, std::uint64_t to) {
  const auto distance = static_cast<std::int64_t>(to - from);
  if (distance < std::numeric_limits<std::int32_t>::min() ||
      distance > std::numeric_limits<std::int32_t>::max()) {
    return std::nullopt;
  }
  return static_cast<std::int32_t>(distance);
}

bool ends_flow(InstructionKind kind) {
  return kind == InstructionKind::kReturn || kind == InstructionKind::kJump;
}
bool has_target(InstructionKind kind) {
  return kind == InstructionKind::kJump || kind == InstructionKind::kConditional;
}

// Writes a trampoline front to back; `failed` once something is out of reach or does not fit.
class Writer {
 public:
  explicit Writer(Patch& patch) : patch_(patch) {}
  [[nodiscard]] std::uint8_t size() const { return size_; }
  [[nodiscard]] bool failed() const { return failed_; }
  void bytes(std::span<const std::uint8_t> data) {
    if (size_ + data.size() > kTrampolineSize) {
      failed_ = true;
      return;
    }
    std::ranges::copy(data, patch_.code.begin() + size_);
    size_ = static_cast<std::uint8_t>(size_ + data.size());
  }
  template <class... Byte>
  void opcode(Byte... byte) {
    const std::uint8_t data[] = {static_cast<std::uint8_t>(byte)...};
    bytes(data);
  }
  void word(std::uint32_t value) {
    std::uint8_t data[4];
    std::memcpy(data, &value, sizeof(value));
    bytes(data);
  }
  // A displacement that ends `behind` bytes before the end of its instruction.
  void relative(std::uint64_t target, unsigned behind = 0) {
    const auto distance = reach(patch_.trampoline + size_ + 4 + behind, target);
    failed_ = failed_ || !distance;
    word(static_cast<std::uint32_t>(distance.value_or(0)));
  }

 private:
  Patch& patch_;
  std::uint8_t size_ = 0;
  bool failed_ = false;
};

void write_moved(Writer& out, const Instruction& moved, std::uint64_t address,
                 std::span<const std::uint8_t> code) {
  const std::uint64_t next = address + moved.length;
  const std::uint64_t target = next + static_cast<std::uint64_t>(std::int64_t{moved.offset});
  if (moved.kind == InstructionKind::kJump) {
    out.opcode(0xe9);
    out.relative(target);
  } else if (moved.kind == InstructionKind::kConditional) {
    out.opcode(0x0f, 0x80 | moved.condition);
    out.relative(target);
  } else if (moved.displacement != 0) {
    std::int32_t displacement = 0;
    std::memcpy(&displacement, code.data() + moved.displacement, sizeof(displacement));
    const unsigned behind = moved.length - moved.displacement - 4U;
    out.bytes(code.first(moved.displacement));
    out.relative(next + static_cast<std::uint64_t>(std::int64_t{displacement}), behind);
    out.bytes(code.subspan(moved.displacement + 4U, behind));
  } else {
    out.bytes(code.first(moved.length));
  }
}

bool jumps_into(const Instruction& jump, std::uint64_t next, std::uint64_t begin,
                std::uint64_t end) {
  const std::uint64_t target = next + static_cast<std::uint64_t>(std::int64_t{jump.offset});
  return has_target(jump.kind) && target > begin && target < end;
}

}  // namespace

namespace {

Instruction as_moved(const Shape& point) {
  return {InstructionKind::kPlain, point.length, point.displacement, 0, 0};
}

bool is_point(std::span<const std::uint8_t> code) {
  const std::optional<Shape> shape = shape_of(code);
  return shape && shape->point != PointKind::kNone;
}

// Adds to `plan` what has to move until there is room for a jump. False if it can't.
bool fill_plan(PatchPlan& plan, std::span<const std::uint8_t> code) {
  bool ended = false;
  while (plan.length < kJumpSize) {
    if (plan.count == PatchPlan::kMaxMoved) return false;
    const std::span<const std::uint8_t> rest = code.subspan(plan.length);
    const std::optional<Instruction> next = decode(rest);
    if (!next || (ended && next->kind != InstructionKind::kPadding)) return false;
    plan.starts = static_cast<std::uint8_t>(plan.starts | 1U << plan.length);
    plan.moved[plan.count++] = *next;
    plan.length = static_cast<std::uint8_t>(plan.length + next->length);
    ended = ended || ends_flow(next->kind);
  }
  return true;
}

// `next`: the address of the first moved instruction.
bool jumps_into_itself(const PatchPlan& plan, std::uint64_t site, std::uint64_t next) {
  for (std::size_t i = 0; i < plan.count; ++i) {
    next += plan.moved[i].length;
    if (jumps_into(plan.moved[i], next, site, site + plan.length)) return true;
  }
  return false;
}

}  // namespace

std::optional<PatchPlan> plan_patch(std::uint64_t site, std::span<const std::uint8_t> code) {
  if (code.size() < kJumpSize || code[0] != 0x0f || code[1] != 0x05) return std::nullopt;
  PatchPlan plan;
  plan.length = kSyscallSize;
  if (!fill_plan(plan, code) || jumps_into_itself(plan, site, site + kSyscallSize)) {
    return std::nullopt;
  }
  return plan;
}

std::optional<PatchPlan> plan_point(std::uint64_t site, std::span<const std::uint8_t> code,
                                    const Shape& point) {
  if (code.size() < point.length) return std::nullopt;
  PatchPlan plan;
  plan.moved[plan.count++] = as_moved(point);
  plan.length = point.length;
  if (!fill_plan(plan, code) || jumps_into_itself(plan, site, site)) return std::nullopt;
  std::size_t at = point.length;
  for (std::size_t i = 1; i < plan.count; ++i) {
    if (is_point(code.subspan(at))) return std::nullopt;
    at += plan.moved[i].length;
  }
  return plan;
}

std::optional<std::uint64_t> first_safe_place(const PatchPlan& plan, std::uint64_t site,
                                              std::uint64_t begin, std::uint64_t end) {
  constexpr std::uint64_t kMask = kTrampolineSize - 1;
  for (std::uint64_t place = (begin + kMask) & ~kMask; place < end;
       place = (place + kMask) & ~kMask) {
    const std::optional<std::int32_t> distance = reach(site + kJumpSize, place);
    if (!distance) return std::nullopt;
    const auto bits = static_cast<std::uint32_t>(*distance);
    std::uint64_t skip = 0;
    for (unsigned at = kSyscallSize; at < kJumpSize; ++at) {
      const unsigned shift = 8 * (at - 1);
      const bool starts = (plan.starts >> at & 1) != 0;
      // To where this byte of the displacement is the next one.
      if (starts && !faults(static_cast<std::uint8_t>(bits >> shift))) {
        skip = (((std::uint64_t{bits} >> shift) + 1) << shift) - bits;
      }
    }
    if (skip == 0) return place;
    place += skip;
  }
  return std::nullopt;
}

std::optional<std::uint64_t> Patch::moved_to(std::uint64_t address) const {
  if (address == site) return std::nullopt;
  for (std::size_t i = 0; i < count; ++i) {
    if (site + moves[i].from == address) return trampoline + moves[i].to;
  }
  return std::nullopt;
}

std::uint64_t Patch::original_of(std::uint64_t address) const {
  // The jump back counts as what it leads to.
  std::size_t last = 0;
  for (std::size_t i = 0; i <= count; ++i) {
    if (trampoline + moves[i].to <= address) last = i;
  }
  return site + moves[last].from;
}

namespace {

Patch patch_for(const PatchPlan& plan, std::uint64_t site, std::span<const std::uint8_t> code,
                std::uint64_t trampoline, PatchDoor door) {
  Patch patch;
  patch.door = door;
  patch.site = site;
  patch.trampoline = trampoline;
  patch.length = plan.length;
  patch.count = plan.count;
  std::ranges::copy(code.first(plan.length), patch.original.begin());
  return patch;
}

// The moved instructions, the first of which was at site + `from`, and the way back.
void write_all_moved(Writer& out, Patch& patch, const PatchPlan& plan,
                     std::span<const std::uint8_t> code, std::uint8_t from) {
  bool ended = false;
  for (std::size_t i = 0; i < plan.count; ++i) {
    patch.moves[i] = {from, out.size()};
    write_moved(out, plan.moved[i], patch.site + from, code.subspan(from));
    from = static_cast<std::uint8_t>(from + plan.moved[i].length);
    ended = ended || ends_flow(plan.moved[i].kind);
  }
  patch.moves[plan.count] = {from, out.size()};
  if (ended) return;
  out.opcode(0xe9);
  out.relative(patch.site + plan.length);
}

// False if the trampoline is out of reach.
bool replace_by_jump(Patch& patch) {
  const std::optional<std::int32_t> distance = reach(patch.site + kJumpSize, patch.trampoline);
  if (!distance) return false;
  patch.replacement.fill(kFaults);
  patch.replacement[0] = 0xe9;
  std::memcpy(&patch.replacement[1], &*distance, sizeof(*distance));
  return true;
}

}  // namespace

std::optional<Patch> make_patch(const PatchPlan& plan, std::uint64_t site,
                                std::span<const std::uint8_t> code, std::uint64_t trampoline,
                                std::uint32_t entry) {
  Patch patch = patch_for(plan, site, code, trampoline, PatchDoor::kCall);
  Writer out(patch);
  out.opcode(0x48, 0x8d, 0x0d);
  out.relative(site + kSyscallSize);
  out.opcode(0x4c, 0x8d, 0x1d);
  out.relative(trampoline + kHeadSize);
  out.opcode(0xff, 0x24, 0x25);
  out.word(entry);
  write_all_moved(out, patch, plan, code, kSyscallSize);
  if (out.failed() || !replace_by_jump(patch)) return std::nullopt;
  return patch;
}

std::optional<Patch> make_point_patch(const PatchPlan& plan, std::uint64_t site,
                                      std::span<const std::uint8_t> code, const Shape& point,
                                      std::uint64_t trampoline, const PointSlots& slots,
                                      std::uint32_t number) {
  Patch patch = patch_for(plan, site, code, trampoline, PatchDoor::kPoint);
  patch.shape = point;
  Writer out(patch);
  out.opcode(0x48, 0x89, 0x24, 0x25);
  out.word(slots.guest_rsp);
  out.opcode(0x48, 0x8b, 0x24, 0x25);
  out.word(slots.kernel_rsp);
  out.opcode(0xff, 0x14, 0x25);
  out.word(slots.door);
  out.opcode(0x48, 0x8b, 0x24, 0x25);
  out.word(slots.guest_rsp);
  write_all_moved(out, patch, plan, code, 0);
  if (out.failed() || out.size() > kPointNumber || !replace_by_jump(patch)) return std::nullopt;
  std::memcpy(&patch.code[kPointNumber], &number, sizeof(number));
  return patch;
}

std::optional<Patch> make_trap_patch(std::uint64_t site, std::span<const std::uint8_t> code,
                                     const Shape& point, std::uint64_t trampoline) {
  if (code.size() < point.length) return std::nullopt;
  PatchPlan plan;
  plan.moved[plan.count++] = as_moved(point);
  plan.length = point.length;
  Patch patch = patch_for(plan, site, code, trampoline, PatchDoor::kTrapPoint);
  patch.shape = point;
  Writer out(patch);
  write_all_moved(out, patch, plan, code, 0);
  if (out.failed()) return std::nullopt;
  // What is behind the first byte stays: whoever jumps behind a prefix finds it there.
  patch.length = 1;
  patch.replacement[0] = kBreakpoint;
  return patch;
}

}  // namespace detent::arch

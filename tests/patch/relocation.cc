// Carries out on paper every patch that detent could make in the given ELF files, and has Zydis, a decoder that
// shares nothing with ours, prove each of them:
//  - what detent takes for an instruction is one, of the same length;
//  - a moved instruction is the same, or goes to the same address where it is relative;
//  - what follows the last of them is a jump to what followed them;
//  - the head computes the return address and leaves through the door;
//  - whoever jumps to where an instruction was faults at that byte.
// The same for every preemption point that detent finds: it is one, its operand is where Zydis has it, and the
// whole function around it is cut into instructions as Zydis does it. With --points, prints the addresses of the
// points of one file instead, for points.py.
// Prints how many sites of each file can be patched. Ends with "N passed, N failed", a case a file.
#include <Zydis/Zydis.h>
#include <elf.h>

#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "emu/arch/x86_64/elf_functions.h"
#include "emu/arch/x86_64/patch_plan.h"
#include "emu/arch/x86_64/point_finder.h"

namespace {

using namespace detent::arch;
using Bytes = std::span<const std::uint8_t>;

constexpr std::uint32_t kDoor = 0x70123450;

struct Decoded {
  ZydisDecodedInstruction instruction;
  ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
};

bool zydis(Bytes code, Decoded& out) {
  static const ZydisDecoder decoder = [] {
    ZydisDecoder made;
    ZydisDecoderInit(&made, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    return made;
  }();
  return ZYAN_SUCCESS(
      ZydisDecoderDecodeFull(&decoder, code.data(), code.size(), &out.instruction, out.operands));
}

// Absolute value of a relative operand, or the operand's own numbers.
bool same_operand(const Decoded& a, const Decoded& b, int index, std::uint64_t at_a,
                  std::uint64_t at_b) {
  const ZydisDecodedOperand& x = a.operands[index];
  const ZydisDecodedOperand& y = b.operands[index];
  if (x.type != y.type) return false;
  ZyanU64 absolute_x = 0;
  ZyanU64 absolute_y = 0;
  switch (x.type) {
    case ZYDIS_OPERAND_TYPE_REGISTER:
      return x.reg.value == y.reg.value;
    case ZYDIS_OPERAND_TYPE_IMMEDIATE:
      if (!x.imm.is_relative) return !y.imm.is_relative && x.imm.value.u == y.imm.value.u;
      return y.imm.is_relative &&
             ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(&a.instruction, &x, at_a, &absolute_x)) &&
             ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(&b.instruction, &y, at_b, &absolute_y)) &&
             absolute_x == absolute_y;
    case ZYDIS_OPERAND_TYPE_MEMORY:
      if (x.mem.segment != y.mem.segment || x.mem.base != y.mem.base || x.size != y.size ||
          x.mem.index != y.mem.index || x.mem.scale != y.mem.scale) {
        return false;
      }
      if (x.mem.base != ZYDIS_REGISTER_RIP) return x.mem.disp.value == y.mem.disp.value;
      return ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(&a.instruction, &x, at_a, &absolute_x)) &&
             ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(&b.instruction, &y, at_b, &absolute_y)) &&
             absolute_x == absolute_y;
    default:
      return false;
  }
}

bool same(const Decoded& a, const Decoded& b, std::uint64_t at_a, std::uint64_t at_b) {
  if (a.instruction.mnemonic != b.instruction.mnemonic ||
      a.instruction.operand_count != b.instruction.operand_count) {
    return false;
  }
  for (int i = 0; i < a.instruction.operand_count; ++i) {
    if (!same_operand(a, b, i, at_a, at_b)) return false;
  }
  return true;
}

bool ends_flow(const Decoded& d) {
  return d.instruction.mnemonic == ZYDIS_MNEMONIC_JMP ||
         d.instruction.mnemonic == ZYDIS_MNEMONIC_RET;
}

// Empty, or what is wrong.
std::string check_head(const Patch& patch) {
  const Bytes code(patch.code);
  Decoded d;
  ZyanU64 address = 0;
  if (!zydis(code, d) || d.instruction.mnemonic != ZYDIS_MNEMONIC_LEA ||
      d.operands[0].reg.value != ZYDIS_REGISTER_RCX ||
      !ZYAN_SUCCESS(
          ZydisCalcAbsoluteAddress(&d.instruction, &d.operands[1], patch.trampoline, &address)) ||
      address != patch.site + kSyscallSize) {
    return "rcx is not the return address";
  }
  std::size_t at = d.instruction.length;
  if (!zydis(code.subspan(at), d) || d.operands[0].reg.value != ZYDIS_REGISTER_R11 ||
      !ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(&d.instruction, &d.operands[1], patch.trampoline + at,
                                             &address)) ||
      address != patch.trampoline + patch.moves[0].to) {
    return "r11 is not where the trampoline goes on";
  }
  at += d.instruction.length;
  if (!zydis(code.subspan(at), d) || d.instruction.mnemonic != ZYDIS_MNEMONIC_JMP ||
      d.operands[0].mem.base != ZYDIS_REGISTER_NONE || d.operands[0].mem.disp.value != kDoor) {
    return "it does not leave through the door";
  }
  return at + d.instruction.length == kHeadSize ? "" : "the head has another size";
}

std::string check_moves(const Patch& patch, Bytes code) {
  bool ended = false;
  for (std::size_t i = 0; i < patch.count; ++i) {
    const Patch::Move move = patch.moves[i];
    Decoded was;
    Decoded is;
    if (!zydis(code.subspan(move.from), was)) return "a moved instruction is none";
    if (move.from + was.instruction.length != patch.moves[i + 1].from) return "a length is wrong";
    if (!zydis(Bytes(patch.code).subspan(move.to), is)) return "a moved instruction became none";
    if (!same(was, is, patch.site + move.from, patch.trampoline + move.to))
      return "an instruction changed";
    const bool is_point = move.from == 0;
    const auto moved_to = is_point ? patch.point_target() : patch.moved_to(patch.site + move.from);
    if (moved_to != patch.trampoline + move.to ||
        patch.original_of(patch.trampoline + move.to) != patch.site + move.from) {
      return "the map is wrong";
    }
    const unsigned char in_jump = patch.replacement[move.from];
    Decoded fault;
    const bool faults =
        is_point || in_jump == 0xf4 || !zydis(Bytes(patch.replacement).subspan(move.from), fault);
    if (!faults) return "a stray jump would not fault";
    ended = ended || ends_flow(was);
  }
  if (ended) return "";
  Decoded back;
  const std::uint8_t at = patch.moves[patch.count].to;
  ZyanU64 target = 0;
  const bool good = zydis(Bytes(patch.code).subspan(at), back) &&
                    back.instruction.mnemonic == ZYDIS_MNEMONIC_JMP &&
                    ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(&back.instruction, &back.operands[0],
                                                          patch.trampoline + at, &target)) &&
                    target == patch.site + patch.moves[patch.count].from;
  return good ? "" : "it does not jump back";
}

std::string check_entry(const Patch& patch) {
  Decoded d;
  ZyanU64 target = 0;
  const bool good =
      zydis(Bytes(patch.replacement), d) && d.instruction.length == kJumpSize &&
      ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(&d.instruction, &d.operands[0], patch.site, &target)) &&
      target == patch.trampoline;
  return good ? "" : "the site does not jump to the trampoline";
}

struct Count {
  int sites = 0;
  int patched = 0;
  int wrong = 0;
};

void check_site(const std::string& file, Bytes code, std::uint64_t site, Count& count) {
  ++count.sites;
  const auto plan = plan_patch(site, code);
  if (!plan) return;
  // As find_place() looks, in a region above and in one below.
  for (const std::int64_t span : {kSpansAhead[0], kSpansBehind[0]}) {
    const std::uint64_t region =
        site + static_cast<std::uint64_t>(span * (1LL << 24) + (4LL << 20));
    const auto place = first_safe_place(*plan, site, region, region + (8ULL << 20));
    if (!place) return;
    const auto patch = make_patch(*plan, site, code, *place, kDoor);
    if (!patch) return;
    for (const std::string& problem :
         {check_head(*patch), check_moves(*patch, code), check_entry(*patch)}) {
      if (problem.empty()) continue;
      ++count.wrong;
      std::printf("%s, %#" PRIx64 ": %s\n", file.c_str(), site, problem.c_str());
    }
  }
  ++count.patched;
}

// ---- preemption points ----

constexpr PointSlots kSlots{0x70123400, 0x70123408, kDoor};

ZydisRegister register_of(std::uint8_t number) {
  if (number == MemoryOperand::kNoRegister) return ZYDIS_REGISTER_NONE;
  if (number == MemoryOperand::kRip) return ZYDIS_REGISTER_RIP;
  return static_cast<ZydisRegister>(ZYDIS_REGISTER_RAX + number);
}

bool same_memory(const MemoryOperand& ours, const Decoded& d) {
  for (int i = 0; i < d.instruction.operand_count; ++i) {
    const ZydisDecodedOperand& theirs = d.operands[i];
    if (theirs.type != ZYDIS_OPERAND_TYPE_MEMORY) continue;
    const auto segment = ours.segment == MemoryOperand::Segment::kFs   ? ZYDIS_REGISTER_FS
                         : ours.segment == MemoryOperand::Segment::kGs ? ZYDIS_REGISTER_GS
                                                                       : theirs.mem.segment;
    const bool has_index = ours.index != MemoryOperand::kNoRegister;
    return theirs.mem.segment == segment && theirs.mem.base == register_of(ours.base) &&
           theirs.mem.index == register_of(ours.index) &&
           (!has_index || theirs.mem.scale == 1 << ours.shift) &&
           theirs.mem.disp.value == ours.displacement;
  }
  return false;
}

bool is_point(const Decoded& d) {
  if (d.instruction.mnemonic == ZYDIS_MNEMONIC_PAUSE) return true;
  const bool locked = (d.instruction.attributes & ZYDIS_ATTRIB_HAS_LOCK) != 0;
  const bool exchanges = d.instruction.mnemonic == ZYDIS_MNEMONIC_XCHG &&
                         (d.operands[0].type == ZYDIS_OPERAND_TYPE_MEMORY ||
                          d.operands[1].type == ZYDIS_OPERAND_TYPE_MEMORY);
  return locked || exchanges;
}

// mov to and from the slots around the call.
std::string check_point_head(const Patch& patch) {
  static constexpr std::uint32_t kTargets[] = {kSlots.guest_rsp, kSlots.kernel_rsp, kSlots.door,
                                               kSlots.guest_rsp};
  static constexpr std::size_t kOffsets[] = {0, 8, kPointOnKernelStack, kPointAsked};
  for (int i = 0; i < 4; ++i) {
    Decoded d;
    if (!zydis(Bytes(patch.code).subspan(kOffsets[i]), d)) return "the head is no code";
    const bool is_call = i == 2;
    const int memory = i == 0 || is_call ? 0 : 1;
    const bool good =
        d.instruction.mnemonic == (is_call ? ZYDIS_MNEMONIC_CALL : ZYDIS_MNEMONIC_MOV) &&
        d.operands[memory].mem.base == ZYDIS_REGISTER_NONE &&
        d.operands[memory].mem.disp.value == kTargets[i] &&
        (is_call || d.operands[1 - memory].reg.value == ZYDIS_REGISTER_RSP);
    if (!good) return "the head is wrong";
  }
  return patch.moves[0].to == kPointHeadSize ? "" : "the head has another size";
}

std::string check_trap(const Patch& patch) {
  return patch.length == 1 && patch.replacement[0] == 0xcc ? "" : "it is no int3";
}

struct PointCount {
  int found = 0;
  int jumps = 0;
  int wrong = 0;
};

void check_point(const std::string& file, Bytes code, std::uint64_t site, const FoundPoint& found,
                 PointCount& count) {
  ++count.found;
  const auto wrong = [&](const std::string& problem) {
    if (problem.empty()) return;
    ++count.wrong;
    std::printf("%s, point %#" PRIx64 ": %s\n", file.c_str(), site, problem.c_str());
  };
  Decoded d;
  if (!zydis(code, d) || d.instruction.length != found.shape.length || !is_point(d)) {
    return wrong("it is no point");
  }
  const bool has_memory = found.shape.point == PointKind::kAtomic;
  if (has_memory && !same_memory(found.shape.operand, d)) wrong("the operand is elsewhere");
  const std::uint64_t region = site + (std::uint64_t{6} << 24) + (4 << 20);
  const auto trap = make_trap_patch(site, code, found.shape, region);
  if (!trap) return wrong("it cannot even trap");
  wrong(check_trap(*trap));
  wrong(check_moves(*trap, code));
  const auto plan = plan_point(site, code, found.shape);
  if (!plan || found.entered_inside) return;
  const auto place = first_safe_place(*plan, site, region, region + (8ULL << 20));
  if (!place) return;
  const auto patch = make_point_patch(*plan, site, code, found.shape, *place, kSlots, 7);
  if (!patch) return;
  ++count.jumps;
  wrong(check_point_head(*patch));
  wrong(check_moves(*patch, code));
  wrong(check_entry(*patch));
}

// As far as both know the instructions.
bool same_lengths(const std::string& file, Bytes function, std::uint64_t begin) {
  for (std::size_t at = 0; at < function.size();) {
    const auto shape = shape_of(function.subspan(at));
    Decoded d;
    if (!shape || !zydis(function.subspan(at), d)) return true;
    if (shape->length != d.instruction.length) {
      std::printf("%s, offset %#" PRIx64 ": length %d, and %d by Zydis\n", file.c_str(), begin + at,
                  shape->length, d.instruction.length);
      return false;
    }
    at += shape->length;
  }
  return true;
}

std::uint64_t address_of(Bytes image, std::uint64_t offset) {
  Elf64_Ehdr header{};
  std::memcpy(&header, image.data(), sizeof(header));
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment{};
    std::memcpy(&segment, image.data() + header.e_phoff + i * sizeof(segment), sizeof(segment));
    if (segment.p_type == PT_LOAD && offset >= segment.p_offset &&
        offset < segment.p_offset + segment.p_filesz) {
      return segment.p_vaddr + (offset - segment.p_offset);
    }
  }
  return 0;
}

bool check_points(const std::string& file, Bytes image) {
  PointCount count;
  std::size_t functions = 0;
  for (const FunctionRange& range : functions_of(image)) {
    ++functions;
    const Bytes function = image.subspan(range.begin, range.end - range.begin);
    if (!same_lengths(file, function, range.begin)) ++count.wrong;
    for (const FoundPoint& found : find_points(function, range.has_pads)) {
      const std::uint64_t offset = range.begin + found.offset;
      const Bytes code = image.subspan(offset, std::min(kSiteWindow, image.size() - offset));
      check_point(file, code, 0x7ff000000000 + address_of(image, offset), found, count);
    }
  }
  std::printf("%s: %d points in %zu functions, %d by jump, %d wrong\n", file.c_str(), count.found,
              functions, count.jumps, count.wrong);
  return count.wrong == 0;
}

int list_points(const std::string& file) {
  std::ifstream stream(file, std::ios::binary);
  const std::vector<char> raw{std::istreambuf_iterator<char>(stream), {}};
  const Bytes image(reinterpret_cast<const std::uint8_t*>(raw.data()), raw.size());
  for (const FunctionRange& range : functions_of(image)) {
    const Bytes function = image.subspan(range.begin, range.end - range.begin);
    for (const FoundPoint& found : find_points(function, range.has_pads)) {
      std::printf("%" PRIx64 "\n", address_of(image, range.begin + found.offset));
    }
  }
  return 0;
}

// Every 0f 05 in text, whether an instruction starts there or not: a wrong one must not do harm either.
bool check_file(const std::string& file) {
  std::ifstream stream(file, std::ios::binary);
  const std::vector<char> raw{std::istreambuf_iterator<char>(stream), {}};
  const Bytes image(reinterpret_cast<const std::uint8_t*>(raw.data()), raw.size());
  Elf64_Ehdr header{};
  if (raw.size() < sizeof(header)) {
    std::printf("%s: not there\n", file.c_str());
    return false;
  }
  std::memcpy(&header, raw.data(), sizeof(header));
  Count count;
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment{};
    std::memcpy(&segment, raw.data() + header.e_phoff + i * sizeof(segment), sizeof(segment));
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_X) == 0) continue;
    const Bytes text = image.subspan(segment.p_offset, segment.p_filesz);
    for (std::size_t at = 0; at + 1 < text.size(); ++at) {
      if (text[at] != 0x0f || text[at + 1] != 0x05) continue;
      const Bytes code = text.subspan(at, std::min(kSiteWindow, text.size() - at));
      check_site(file, code, 0x7ff000000000 + segment.p_vaddr + at, count);
    }
  }
  std::printf("%s: %d of %d sites can be patched, %d wrong\n", file.c_str(), count.patched,
              count.sites, count.wrong);
  return check_points(file, image) && count.wrong == 0 && count.sites > 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 3 && std::strcmp(argv[1], "--points") == 0) return list_points(argv[2]);
  int passed = 0;
  for (int i = 1; i < argc; ++i) passed += check_file(argv[i]) ? 1 : 0;
  std::printf("%d passed, %d failed\n", passed, argc - 1 - passed);
  return passed == argc - 1 && argc > 1 ? 0 : 1;
}

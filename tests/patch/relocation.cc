// Carries out on paper every patch that detent could make in the given ELF files, and has Zydis, a decoder that
// shares nothing with ours, prove each of them:
//  - what detent takes for an instruction is one, of the same length;
//  - a moved instruction is the same, or goes to the same address where it is relative;
//  - what follows the last of them is a jump to what followed them;
//  - the head computes the return address and leaves through the door;
//  - whoever jumps to where an instruction was faults at that byte.
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

#include "emu/arch/x86_64/patch_plan.h"

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
    if (patch.moved_to(patch.site + move.from) != patch.trampoline + move.to ||
        patch.original_of(patch.trampoline + move.to) != patch.site + move.from) {
      return "the map is wrong";
    }
    const unsigned char in_jump = patch.replacement[move.from];
    Decoded fault;
    const bool faults =
        in_jump == 0xf4 || !zydis(Bytes(patch.replacement).subspan(move.from), fault);
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
                    target == patch.site + patch.length;
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
  return count.wrong == 0 && count.sites > 0;
}

}  // namespace

int main(int argc, char** argv) {
  int passed = 0;
  for (int i = 1; i < argc; ++i) passed += check_file(argv[i]) ? 1 : 0;
  std::printf("%d passed, %d failed\n", passed, argc - 1 - passed);
  return passed == argc - 1 && argc > 1 ? 0 : 1;
}

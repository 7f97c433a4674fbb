#include "emu/loader/auxv_unsafe.h"

#include <elf.h>

#include <cstring>

namespace detent::loader {
namespace {

Elf64_auxv_t* auxiliary_vector(std::uint64_t stack_pointer) {
  auto* word = reinterpret_cast<std::uint64_t*>(stack_pointer);
  word += 1 + word[0] + 1;    // argc, argv, null
  while (*word != 0) ++word;  // envp
  return reinterpret_cast<Elf64_auxv_t*>(word + 1);
}

}  // namespace

void patch_auxiliary_vector(std::uint64_t stack_pointer, const Image& program, std::uint64_t base,
                            std::uint64_t filename, std::uint64_t vdso) {
  for (Elf64_auxv_t* entry = auxiliary_vector(stack_pointer); entry->a_type != AT_NULL; ++entry) {
    switch (entry->a_type) {
      case AT_PHDR:
        entry->a_un.a_val = program.program_headers;
        break;
      case AT_PHNUM:
        entry->a_un.a_val = program.program_header_count;
        break;
      case AT_ENTRY:
        entry->a_un.a_val = program.entry;
        break;
      case AT_BASE:
        entry->a_un.a_val = base;
        break;
      case AT_EXECFN:
        entry->a_un.a_val = filename;
        break;
      // The host's vDSO would tell the host's time.
      case AT_SYSINFO_EHDR:
        if (vdso == 0) entry->a_type = AT_IGNORE;
        entry->a_un.a_val = vdso;
        break;
      default:
        break;
    }
  }
}

void set_random_bytes(std::uint64_t stack_pointer, std::uint64_t low, std::uint64_t high) {
  for (Elf64_auxv_t* entry = auxiliary_vector(stack_pointer); entry->a_type != AT_NULL; ++entry) {
    if (entry->a_type != AT_RANDOM) continue;
    auto* bytes = reinterpret_cast<unsigned char*>(entry->a_un.a_val);
    std::memcpy(bytes, &low, sizeof(low));
    std::memcpy(bytes + sizeof(low), &high, sizeof(high));
  }
}

const char* text_at(std::uint64_t address) { return reinterpret_cast<const char*>(address); }

}  // namespace detent::loader

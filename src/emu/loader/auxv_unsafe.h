// The initial stack: the host built it for the detent image with the guest's own arguments and
// environment; what is left to do is to make its auxiliary vector speak of the guest.
#pragma once

#include <cstdint>

#include "emu/loader/elf_unsafe.h"

namespace detent::loader {

/// Rewrites the vector behind the environment of the stack whose argc lies at `stack_pointer`: AT_PHDR,
/// AT_PHNUM, AT_ENTRY, AT_BASE and AT_EXECFN name the guest. `base`: the interpreter's load address or 0.
/// `vdso`: what AT_SYSINFO_EHDR names; it goes if that is 0. Source: create_elf_tables() in
/// fs/binfmt_elf.c.
void patch_auxiliary_vector(std::uint64_t stack_pointer, const Image& program, std::uint64_t base,
                            std::uint64_t filename, std::uint64_t vdso);

/// Overwrites the 16 bytes of AT_RANDOM.
void set_random_bytes(std::uint64_t stack_pointer, std::uint64_t low, std::uint64_t high);

/// The string at `address` of that stack.
const char* text_at(std::uint64_t address);

}  // namespace detent::loader

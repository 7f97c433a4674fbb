// Maps ELF images into this process, as fs/binfmt_elf.c does for a fresh one.
#pragma once

#include <cstdint>

#include "detent/result.h"

namespace detent::loader {

struct Image {
  std::uint64_t base = 0;             ///< load bias
  std::uint64_t entry = 0;            ///< absolute
  std::uint64_t program_headers = 0;  ///< absolute address of the table in memory, for AT_PHDR
  std::uint64_t program_header_count = 0;
  std::uint64_t end = 0;  ///< first byte behind the image's bss, not rounded
};

/// Where the host puts a position-independent program when ASLR is off (ELF_ET_DYN_BASE).
inline constexpr std::uint64_t kPieBase = 0x555555554000;

/// Maps the program (at its own addresses, or at kPieBase) or an interpreter (`anywhere`: where mmap
/// chooses). The bytes between a segment's file part and its page's end are zeroed: ld.so's first
/// allocator lives there. ENOMEM if the addresses are taken, ENOEXEC for a damaged table.
Result<Image> map_image(int fd, bool anywhere);

}  // namespace detent::loader

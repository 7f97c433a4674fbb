// Where functions are in an ELF file, as its unwind tables (.eh_frame) and symbols say. The tables outlive
// strip(1), and glibc has them for its assembly, too; musl and Go have symbols only.
//
// Reads any bytes: what does not make sense is left out. Source: Linux Standard Base, "Exception Frames";
// DWARF 4, section 7.6.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace detent::arch {

struct FunctionRange {
  std::uint64_t begin;  ///< offset in the file
  std::uint64_t end;
  /// It has places that are entered otherwise than by its own jumps: landing pads of exceptions.
  bool has_pads;
};

/// In ascending order, without overlaps: of two that overlap the second is left out.
std::vector<FunctionRange> functions_of(std::span<const std::uint8_t> file);

}  // namespace detent::arch

// The parts that the kernel's JSON files have in common: strings, and where a task stood.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "emu/arch/x86_64/user_state.h"

namespace detent::emu {

/// As a JSON string. Bytes that are not ASCII pass as Latin-1, so that the file is valid whatever the guest's
/// names are.
std::string quoted(std::string_view text);

/// "[...]" of what `format` makes of each entry.
template <class List, class Format>
std::string array_of(const List& list, Format format) {
  std::string json = "[";
  for (const auto& entry : list) {
    if (json.size() > 1) json += ",";
    json += format(entry);
  }
  return json + "]";
}

/// {"rip":"0x...", ...}: the general registers.
std::string registers_json(const arch::UserRegs& registers);
/// Up to 8 KiB of the guest's stack from the red zone below `rsp` up, as much of it as is mapped.
std::vector<unsigned char> stack_of(std::uint64_t rsp);
/// {"address":"0x...","bytes":"hex"}: what stack_of() gave, or gives now.
std::string stack_json(std::uint64_t rsp, const std::vector<unsigned char>& bytes);
std::string stack_json(std::uint64_t rsp);
/// The executable mappings of files, for whoever wants to name addresses.
std::string modules_json();
/// Writes all of `text` to a host fd; false if that fails.
bool write_whole(int fd, std::string_view text);

}  // namespace detent::emu

// Base58 (the alphabet without 0, O, I and l) in blocks of 8 bytes to 11 characters, so that the cost is
// linear in the length.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace detent::trace {

std::string to_base58(std::span<const std::uint8_t> bytes);
/// Nullopt if a character or the length is one that to_base58() never makes.
std::optional<std::vector<std::uint8_t>> from_base58(std::string_view text);

}  // namespace detent::trace

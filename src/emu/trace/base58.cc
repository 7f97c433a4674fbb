#include "emu/trace/base58.h"

#include <algorithm>
#include <array>

namespace detent::trace {
namespace {

constexpr std::string_view kAlphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
constexpr std::size_t kBlock = 8;
// Characters that n bytes need: the least c with 58^c >= 256^n.
constexpr std::array<std::size_t, kBlock + 1> kLength = {0, 2, 3, 5, 6, 7, 9, 10, 11};

std::string encode_block(std::span<const std::uint8_t> bytes) {
  std::uint64_t value = 0;
  for (const std::uint8_t byte : bytes) value = value << 8 | byte;
  std::string text(kLength[bytes.size()], kAlphabet.front());
  for (auto at = text.rbegin(); at != text.rend(); ++at, value /= 58) *at = kAlphabet[value % 58];
  return text;
}

bool decode_block(std::string_view text, std::vector<std::uint8_t>& to) {
  const auto found = std::ranges::find(kLength, text.size());
  if (found == kLength.end()) return false;
  const auto size = static_cast<unsigned>(found - kLength.begin());
  unsigned __int128 value = 0;
  for (const char c : text) {
    const std::size_t digit = kAlphabet.find(c);
    if (digit == std::string_view::npos) return false;
    value = value * 58 + digit;
  }
  if (value >> (8 * size) != 0) return false;
  for (unsigned i = size; i-- > 0;) to.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
  return true;
}

}  // namespace

std::string to_base58(std::span<const std::uint8_t> bytes) {
  std::string text;
  for (; !bytes.empty(); bytes = bytes.subspan(std::min(kBlock, bytes.size()))) {
    text += encode_block(bytes.first(std::min(kBlock, bytes.size())));
  }
  return text;
}

std::optional<std::vector<std::uint8_t>> from_base58(std::string_view text) {
  std::vector<std::uint8_t> bytes;
  while (!text.empty()) {
    const std::string_view block = text.substr(0, kLength[kBlock]);
    if (!decode_block(block, bytes)) return std::nullopt;
    text.remove_prefix(block.size());
  }
  return bytes;
}

}  // namespace detent::trace

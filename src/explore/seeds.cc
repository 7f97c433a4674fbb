#include "explore/seeds.h"

#include <charconv>

namespace detent::explore {
namespace {

constexpr std::uint64_t kGolden = 0x9e3779b97f4a7c15;

std::uint64_t mix(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

bool parse(std::string_view text, std::uint64_t& value) {
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value);
  return parsed.ec == std::errc() && parsed.ptr == end;
}

}  // namespace

std::uint64_t schedule_seed(std::uint64_t master, std::uint64_t index) {
  return mix(mix(master + kGolden) + (index + 1) * kGolden);
}

bool is_rechecked(std::uint64_t master, std::uint64_t index) {
  return index == 0 || mix(schedule_seed(master, index)) % 100 == 0;
}

bool parse_shard(std::string_view text, Shard& shard) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return false;
  Shard parsed;
  if (!parse(text.substr(0, slash), parsed.number)) return false;
  if (!parse(text.substr(slash + 1), parsed.count) || parsed.number >= parsed.count) return false;
  shard = parsed;
  return true;
}

}  // namespace detent::explore

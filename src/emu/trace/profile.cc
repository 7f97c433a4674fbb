#include "emu/trace/profile.h"

#include <cstring>

namespace detent::trace {

std::vector<std::uint8_t> to_bytes(const Profile& profile) {
  const std::size_t size = profile.counts.size() * sizeof(Profile::Count);
  std::vector<std::uint8_t> bytes(sizeof(profile.turns) + size);
  std::memcpy(bytes.data(), &profile.turns, sizeof(profile.turns));
  if (size != 0) std::memcpy(bytes.data() + sizeof(profile.turns), profile.counts.data(), size);
  return bytes;
}

Profile profile_from_bytes(std::span<const std::uint8_t> bytes) {
  Profile profile;
  if (bytes.size() < sizeof(profile.turns)) return profile;
  std::memcpy(&profile.turns, bytes.data(), sizeof(profile.turns));
  bytes = bytes.subspan(sizeof(profile.turns));
  profile.counts.resize(bytes.size() / sizeof(Profile::Count));
  if (!profile.counts.empty()) {
    std::memcpy(profile.counts.data(), bytes.data(),
                profile.counts.size() * sizeof(Profile::Count));
  }
  return profile;
}

}  // namespace detent::trace

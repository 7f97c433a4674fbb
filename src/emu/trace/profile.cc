#include "emu/trace/profile.h"

#include <cstring>

namespace detent::trace {

std::vector<std::uint8_t> to_bytes(const Profile& profile) {
  const std::size_t size = profile.counts.size() * sizeof(Profile::Count);
  std::vector<std::uint8_t> bytes(sizeof(profile.choices) + size);
  std::memcpy(bytes.data(), &profile.choices, sizeof(profile.choices));
  if (size != 0) std::memcpy(bytes.data() + sizeof(profile.choices), profile.counts.data(), size);
  return bytes;
}

Profile profile_from_bytes(std::span<const std::uint8_t> bytes) {
  Profile profile;
  if (bytes.size() < sizeof(profile.choices)) return profile;
  std::memcpy(&profile.choices, bytes.data(), sizeof(profile.choices));
  bytes = bytes.subspan(sizeof(profile.choices));
  profile.counts.resize(bytes.size() / sizeof(Profile::Count));
  if (!profile.counts.empty()) {
    std::memcpy(profile.counts.data(), bytes.data(),
                profile.counts.size() * sizeof(Profile::Count));
  }
  return profile;
}

}  // namespace detent::trace

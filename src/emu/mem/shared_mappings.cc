#include "emu/mem/shared_mappings.h"

namespace detent::mem {

void SharedMappings::add(std::uint64_t begin, std::uint64_t size, Place place) {
  remove(begin, size);
  entries_.emplace(begin, Entry{begin + size, place});
}

void SharedMappings::remove(std::uint64_t begin, std::uint64_t size) {
  const std::uint64_t end = begin + size;
  auto at = entries_.upper_bound(begin);
  if (at != entries_.begin()) --at;
  while (at != entries_.end() && at->first < end) {
    const std::uint64_t old_begin = at->first;
    const Entry old = at->second;
    if (old.end <= begin) {
      ++at;
      continue;
    }
    at = entries_.erase(at);
    if (old_begin < begin) entries_.emplace(old_begin, Entry{begin, old.place});
    if (old.end > end) {
      entries_.emplace(end,
                       Entry{old.end, {old.place.object, old.place.offset + (end - old_begin)}});
      return;
    }
  }
}

void SharedMappings::move(std::uint64_t from, std::uint64_t old_size, std::uint64_t to,
                          std::uint64_t size, bool keep) {
  const std::optional<Place> place = find(from);
  if (!keep) remove(from, old_size);
  remove(to, size);
  if (place) add(to, size, *place);
}

std::optional<SharedMappings::Place> SharedMappings::find(std::uint64_t address) const {
  auto at = entries_.upper_bound(address);
  if (at == entries_.begin()) return std::nullopt;
  --at;
  if (address >= at->second.end) return std::nullopt;
  return Place{at->second.place.object, at->second.place.offset + (address - at->first)};
}

std::uint64_t SharedMappings::new_anonymous_object() {
  if (draw_) next_anonymous_ = draw_(next_anonymous_);
  return next_anonymous_++;
}

std::uint64_t SharedMappings::file_object(std::uint64_t device, std::uint64_t inode) {
  // The top bit keeps files apart from anonymous objects; the multiplier (odd) spreads the device.
  return (device * 0x9e3779b97f4a7c15 + inode) | (1ULL << 63);
}

}  // namespace detent::mem

// SharedMappings: which parts of the guest's address space are shared memory, and of what object. A
// shared futex is named by (object, offset), so that two mappings of one object meet.
//
// The adapters of mmap, munmap, mremap and shmat keep it; the futex adapter asks. Source:
// get_futex_key() in kernel/futex/core.c.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <utility>

namespace detent::mem {

class SharedMappings {
 public:
  /// A place in a shared object. Objects are never 0 or 1, which name private memory.
  struct Place {
    std::uint64_t object;
    std::uint64_t offset;
  };

  /// [begin, begin + size) now maps `place` and what follows it.
  void add(std::uint64_t begin, std::uint64_t size, Place place);
  /// [begin, begin + size) is no longer shared: unmapped, or something private lies there now.
  void remove(std::uint64_t begin, std::uint64_t size);
  /// mremap: what lay at `from` now lies at `to`, `size` bytes long; `keep` (MREMAP_DONTUNMAP): in
  /// both places.
  void move(std::uint64_t from, std::uint64_t old_size, std::uint64_t to, std::uint64_t size,
            bool keep);
  /// What `address` shares, or nothing for private memory.
  [[nodiscard]] std::optional<Place> find(std::uint64_t address) const;

  /// A new name for anonymous shared memory.
  std::uint64_t new_anonymous_object();
  /// From now on names are drawn from `draw(lowest free here)`, so that related processes never use
  /// one twice.
  void number_objects_by(std::function<std::uint64_t(std::uint64_t)> draw) {
    draw_ = std::move(draw);
  }
  /// The name of a file: every mapping of one inode has the same.
  static std::uint64_t file_object(std::uint64_t device, std::uint64_t inode);

 private:
  struct Entry {
    std::uint64_t end;
    Place place;
  };
  std::map<std::uint64_t, Entry> entries_;  // by begin; they never overlap
  std::uint64_t next_anonymous_ = 2;
  std::function<std::uint64_t(std::uint64_t)> draw_;
};

}  // namespace detent::mem

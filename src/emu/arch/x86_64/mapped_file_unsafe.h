// Files and mappings of this process as the kernel reads them, to know what is in the guest's text.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace detent::arch {

/// A file in the kernel's sight for as long as this lives; the guest's mappings stay where they are. Without
/// bytes if it can't be mapped.
class MappedFile {
 public:
  explicit MappedFile(int fd);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  [[nodiscard]] std::span<const std::uint8_t> bytes() const { return bytes_; }

 private:
  std::span<const std::uint8_t> bytes_;
};

/// A private mapping of a file with permissions "r-xp".
struct MappedText {
  std::uint64_t begin;
  std::uint64_t end;
  std::uint64_t offset;
  std::string path;
};
/// All of them, the kernel's own included, in the order of addresses.
std::vector<MappedText> mapped_texts();

}  // namespace detent::arch

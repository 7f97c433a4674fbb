#include "cli/build_id.h"

#include <elf.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <vector>

namespace detent::cli {
namespace {

constexpr std::size_t kMaxDigits = 40;

std::vector<unsigned char> bytes_at(int fd, std::uint64_t offset, std::uint64_t size) {
  std::vector<unsigned char> bytes(std::min<std::uint64_t>(size, 1 << 20));
  const ssize_t got = pread(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
  bytes.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return bytes;
}

template <class T>
bool read_as(int fd, std::uint64_t offset, T& value) {
  return pread(fd, &value, sizeof(T), static_cast<off_t>(offset)) == sizeof(T);
}

std::string id_in_notes(const std::vector<unsigned char>& notes) {
  const auto padded = [](std::size_t size) { return (size + 3) & ~std::size_t{3}; };
  for (std::size_t at = 0; at + sizeof(Elf64_Nhdr) <= notes.size();) {
    Elf64_Nhdr note;
    std::memcpy(&note, notes.data() + at, sizeof(note));
    const std::size_t name = at + sizeof(note);
    const std::size_t id = name + padded(note.n_namesz);
    const std::size_t end = id + padded(note.n_descsz);
    if (end > notes.size() || end <= at) return "";
    if (note.n_type == NT_GNU_BUILD_ID && std::memcmp(notes.data() + name, "GNU", 4) == 0) {
      std::string text;
      for (std::size_t i = 0; i < note.n_descsz; ++i) text += fmt::format("{:02x}", notes[id + i]);
      return text.substr(0, kMaxDigits);
    }
    at = end;
  }
  return "";
}

std::string gnu_build_id(int fd) {
  Elf64_Ehdr header;
  if (!read_as(fd, 0, header) || std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) return "";
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment;
    if (!read_as(fd, header.e_phoff + i * sizeof(segment), segment)) return "";
    if (segment.p_type != PT_NOTE) continue;
    const std::string id = id_in_notes(bytes_at(fd, segment.p_offset, segment.p_filesz));
    if (!id.empty()) return id;
  }
  return "";
}

// FNV-1a, 64 bits.
std::string content_id(int fd) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (std::uint64_t offset = 0;;) {
    const std::vector<unsigned char> part = bytes_at(fd, offset, 1 << 20);
    if (part.empty()) return offset == 0 ? "" : fmt::format("{:016x}", hash);
    for (const unsigned char byte : part) hash = (hash ^ byte) * 0x100000001b3;
    offset += part.size();
  }
}

}  // namespace

std::string build_id_of(int fd) {
  std::string id = gnu_build_id(fd);
  return id.size() >= 8 ? id : content_id(fd);
}

}  // namespace detent::cli

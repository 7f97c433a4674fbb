#include "emu/arch/x86_64/elf_functions.h"

#include <elf.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <string_view>

namespace detent::arch {
namespace {

using Bytes = std::span<const std::uint8_t>;

// Pointer encodings (DW_EH_PE_*).
constexpr std::uint8_t kOmitted = 0xff;
constexpr std::uint8_t kFormat = 0x0f;
constexpr std::uint8_t kRelative = 0x70;
constexpr std::uint8_t kPcRelative = 0x10;

template <class T>
std::optional<T> read(Bytes bytes, std::uint64_t at) {
  T value{};
  if (at > bytes.size() || bytes.size() - at < sizeof(T)) return std::nullopt;
  std::memcpy(&value, bytes.data() + at, sizeof(T));
  return value;
}

struct Segment {
  std::uint64_t offset, address, size;
};

// Reads on behind the end: zeros, and failed().
class Cursor {
 public:
  Cursor(Bytes bytes, std::uint64_t at, std::uint64_t end) : bytes_(bytes), at_(at), end_(end) {}
  [[nodiscard]] std::uint64_t at() const { return at_; }
  [[nodiscard]] bool failed() const { return failed_; }
  template <class T>
  T take() {
    const auto value = at_ + sizeof(T) <= end_ ? read<T>(bytes_, at_) : std::nullopt;
    at_ += sizeof(T);
    failed_ = failed_ || !value;
    return value.value_or(T{});
  }
  std::uint64_t leb128() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const auto byte = take<std::uint8_t>();
      value |= std::uint64_t{byte & 0x7fU} << shift;
      if ((byte & 0x80) == 0) break;
    }
    return value;
  }
  // `address`: that of the pointer itself. 0 for encodings that x86-64 files do not have here.
  std::uint64_t pointer(std::uint8_t encoding, std::uint64_t address) {
    std::uint64_t value = 0;
    switch (encoding & kFormat) {
      case 0x00:
      case 0x04:
      case 0x0c:
        value = take<std::uint64_t>();
        break;
      case 0x03:
        value = take<std::uint32_t>();
        break;
      case 0x0b:
        value = static_cast<std::uint64_t>(std::int64_t{take<std::int32_t>()});
        break;
      default:
        failed_ = true;
    }
    if (value == 0) return 0;
    if ((encoding & kRelative) == kPcRelative) return value + address;
    failed_ = failed_ || (encoding & kRelative) != 0;
    return value;
  }

 private:
  Bytes bytes_;
  std::uint64_t at_;
  std::uint64_t end_;
  bool failed_ = false;
};

// What an FDE needs to know of its CIE.
struct Common {
  std::uint8_t pointers = 0;
  std::uint8_t pads = kOmitted;
  bool augmented = false;
};

class Reader {
 public:
  explicit Reader(Bytes file) : file_(file) {}

  std::vector<FunctionRange> run() {
    const auto elf = read<Elf64_Ehdr>(file_, 0);
    const bool is_ours = elf && std::memcmp(elf->e_ident, ELFMAG, SELFMAG) == 0 &&
                         elf->e_ident[EI_CLASS] == ELFCLASS64 && elf->e_machine == EM_X86_64;
    if (!is_ours) return {};
    std::uint64_t header = 0;
    for (unsigned i = 0; i < elf->e_phnum; ++i) {
      const auto segment = read<Elf64_Phdr>(file_, elf->e_phoff + i * sizeof(Elf64_Phdr));
      if (!segment) return {};
      if (segment->p_type == PT_LOAD) {
        segments_.push_back({segment->p_offset, segment->p_vaddr, segment->p_filesz});
      }
      if (segment->p_type == PT_GNU_EH_FRAME) header = segment->p_vaddr;
    }
    if (!frames_by_header(header)) frames_by_section(*elf);
    add_symbols(*elf);
    return in_order();
  }

 private:
  [[nodiscard]] std::optional<std::uint64_t> offset_of(std::uint64_t address) const {
    for (const Segment& segment : segments_) {
      if (address >= segment.address && address - segment.address < segment.size) {
        return segment.offset + (address - segment.address);
      }
    }
    return std::nullopt;
  }

  // .eh_frame_hdr: version, three encodings, and where .eh_frame is. Its table is not needed.
  bool frames_by_header(std::uint64_t address) {
    const auto offset = offset_of(address);
    if (address == 0 || !offset) return false;
    Cursor cursor(file_, *offset, file_.size());
    const auto version = cursor.take<std::uint8_t>();
    const auto encoding = cursor.take<std::uint8_t>();
    cursor.take<std::uint16_t>();
    const std::uint64_t frames = cursor.pointer(encoding, address + 4);
    const auto begin = offset_of(frames);
    if (cursor.failed() || version != 1 || !begin) return false;
    read_frames(*begin, frames - *begin, file_.size());
    return true;
  }

  // Static programs have no such header; the section's name tells.
  void frames_by_section(const Elf64_Ehdr& elf) {
    const auto header_of = [&](std::uint64_t index) {
      return read<Elf64_Shdr>(file_, elf.e_shoff + index * sizeof(Elf64_Shdr));
    };
    const auto names = header_of(elf.e_shstrndx);
    for (unsigned i = 0; names && elf.e_shoff != 0 && i < elf.e_shnum; ++i) {
      const auto section = header_of(i);
      if (!section || section->sh_type == SHT_NOBITS) continue;
      constexpr std::string_view kName{".eh_frame", 10};  // with its zero
      const std::uint64_t name = names->sh_offset + section->sh_name;
      if (name > file_.size() || file_.size() - name < kName.size()) continue;
      if (std::memcmp(file_.data() + name, kName.data(), kName.size()) != 0) continue;
      read_frames(section->sh_offset, section->sh_addr - section->sh_offset,
                  section->sh_offset + section->sh_size);
    }
  }

  void add_symbols(const Elf64_Ehdr& elf) {
    for (unsigned i = 0; elf.e_shoff != 0 && i < elf.e_shnum; ++i) {
      const auto section = read<Elf64_Shdr>(file_, elf.e_shoff + i * sizeof(Elf64_Shdr));
      if (!section || (section->sh_type != SHT_SYMTAB && section->sh_type != SHT_DYNSYM)) continue;
      const std::uint64_t count = section->sh_size / sizeof(Elf64_Sym);
      for (std::uint64_t n = 0; n < count; ++n) {
        const auto symbol = read<Elf64_Sym>(file_, section->sh_offset + n * sizeof(Elf64_Sym));
        if (!symbol) break;
        if (ELF64_ST_TYPE(symbol->st_info) != STT_FUNC) continue;
        add(symbol->st_value, symbol->st_size, false);
      }
    }
  }

  void add(std::uint64_t address, std::uint64_t size, bool has_pads) {
    const auto offset = offset_of(address);
    if (!offset || size == 0 || size > file_.size() - *offset) return;
    functions_.push_back({*offset, *offset + size, has_pads});
  }

  // `bias`: address minus offset.
  void read_frames(std::uint64_t at, std::uint64_t bias, std::uint64_t end) {
    for (;;) {
      Cursor cursor(file_, at, std::min<std::uint64_t>(end, file_.size()));
      const auto length = cursor.take<std::uint32_t>();
      // 0 ends; ~0 announces a record of more than 4 GiB.
      if (cursor.failed() || length == 0 || length == ~0U) return;
      const std::uint64_t id_at = cursor.at();
      const auto id = cursor.take<std::uint32_t>();
      if (id != 0) read_function(cursor, id_at - id, bias);
      at = id_at + length;
    }
  }

  void read_function(Cursor& cursor, std::uint64_t common_at, std::uint64_t bias) {
    const std::optional<Common> common = common_of(common_at, bias);
    if (!common) return;
    const std::uint64_t begin = cursor.pointer(common->pointers, cursor.at() + bias);
    const std::uint64_t size = cursor.pointer(common->pointers & kFormat, 0);
    bool has_pads = false;
    if (common->augmented) {
      cursor.leb128();
      if (common->pads != kOmitted) {
        has_pads = cursor.pointer(common->pads, cursor.at() + bias) != 0;
      }
    }
    if (!cursor.failed()) add(begin, size, has_pads);
  }

  std::optional<Common> common_of(std::uint64_t at, std::uint64_t bias) {
    if (at == common_at_) return common_;
    Cursor cursor(file_, at, file_.size());
    const auto length = cursor.take<std::uint32_t>();
    const auto id = cursor.take<std::uint32_t>();
    const auto version = cursor.take<std::uint8_t>();
    if (cursor.failed() || length == 0 || id != 0) return std::nullopt;
    std::string_view augmentation;
    const auto* text = reinterpret_cast<const char*>(file_.data() + cursor.at());
    augmentation = {text, strnlen(text, file_.size() - cursor.at())};
    for (std::size_t i = 0; i <= augmentation.size(); ++i) cursor.take<char>();
    cursor.leb128();
    cursor.leb128();
    if (version == 1) {
      cursor.take<std::uint8_t>();
    } else {
      cursor.leb128();
    }
    Common common;
    if (!read_augmentation(cursor, augmentation, bias, common)) return std::nullopt;
    common_at_ = at;
    common_ = common;
    return common;
  }

  static bool read_augmentation(Cursor& cursor, std::string_view letters, std::uint64_t bias,
                                Common& common) {
    if (letters.empty()) return !cursor.failed();
    if (letters.front() != 'z') return false;
    common.augmented = true;
    cursor.leb128();
    for (const char letter : letters.substr(1)) {
      if (letter == 'R') {
        common.pointers = cursor.take<std::uint8_t>();
      } else if (letter == 'L') {
        common.pads = cursor.take<std::uint8_t>();
      } else if (letter == 'P') {
        const auto encoding = cursor.take<std::uint8_t>();
        // Indirect or not, it is only skipped.
        cursor.pointer(encoding & (kFormat | kPcRelative), cursor.at() + bias);
      } else if (letter != 'S') {
        return false;
      }
    }
    return !cursor.failed();
  }

  std::vector<FunctionRange> in_order() {
    // Stable: the tables, which know of landing pads, before symbols of the same place.
    std::ranges::stable_sort(functions_, {}, &FunctionRange::begin);
    std::uint64_t end = 0;
    std::erase_if(functions_, [&](const FunctionRange& function) {
      if (function.begin < end) return true;
      end = function.end;
      return false;
    });
    return std::move(functions_);
  }

  Bytes file_;
  std::vector<Segment> segments_;
  std::vector<FunctionRange> functions_;
  std::uint64_t common_at_ = ~0ULL;
  Common common_;
};

}  // namespace

std::vector<FunctionRange> functions_of(std::span<const std::uint8_t> file) {
  return Reader(file).run();
}

}  // namespace detent::arch

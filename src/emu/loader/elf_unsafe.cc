#include "emu/loader/elf_unsafe.h"

#include <elf.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "emu/arch/x86_64/host_call.h"
#include "emu/mem/user_copy_unsafe.h"

namespace detent::loader {

using arch::host_call;

namespace {

constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t page_down(std::uint64_t address) { return address & ~(kPage - 1); }
constexpr std::uint64_t page_up(std::uint64_t address) { return page_down(address + kPage - 1); }

struct Span {
  std::uint64_t begin;
  std::uint64_t end;
  std::uint64_t alignment = kPage;
};

Result<Span> load_span(const std::vector<Elf64_Phdr>& headers) {
  Span span{~0ULL, 0, kPage};
  for (const Elf64_Phdr& header : headers) {
    if (header.p_type != PT_LOAD) continue;
    if (header.p_filesz > header.p_memsz || header.p_vaddr + header.p_memsz < header.p_vaddr ||
        header.p_vaddr % kPage != header.p_offset % kPage) {
      return Errno{ENOEXEC};
    }
    span.begin = std::min(span.begin, page_down(header.p_vaddr));
    span.end = std::max(span.end, header.p_vaddr + header.p_memsz);
    const bool power_of_two = (header.p_align & (header.p_align - 1)) == 0;
    if (power_of_two) span.alignment = std::max<std::uint64_t>(span.alignment, header.p_align);
  }
  if (span.begin >= span.end) return Errno{ENOEXEC};
  return span;
}

int protection(const Elf64_Phdr& header) {
  return ((header.p_flags & PF_R) ? PROT_READ : 0) | ((header.p_flags & PF_W) ? PROT_WRITE : 0) |
         ((header.p_flags & PF_X) ? PROT_EXEC : 0);
}

Result<long> map(std::uint64_t address, std::uint64_t size, int prot, int flags, int fd,
                 std::uint64_t offset) {
  return host_call(SYS_mmap, static_cast<std::int64_t>(address), static_cast<std::int64_t>(size),
                   prot, flags, fd, static_cast<std::int64_t>(offset));
}

Result<void> map_segment(int fd, const Elf64_Phdr& header, std::uint64_t base) {
  const std::uint64_t begin = base + header.p_vaddr;
  const std::uint64_t file_end = begin + header.p_filesz;
  const std::uint64_t memory_end = begin + header.p_memsz;
  const int prot = protection(header);
  if (header.p_filesz != 0) {
    TRY(map(page_down(begin), file_end - page_down(begin), prot, MAP_PRIVATE | MAP_FIXED, fd,
            header.p_offset - begin % kPage));
  }
  const std::uint64_t zero_page = page_up(file_end);
  if (memory_end > zero_page || header.p_filesz == 0) {
    const std::uint64_t from = header.p_filesz != 0 ? zero_page : page_down(begin);
    TRY(map(from, page_up(memory_end) - from, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
            0));
  }
  if ((prot & PROT_WRITE) && header.p_filesz != 0 && file_end % kPage != 0) {
    // Behind the end of a file that is too short there is nothing to write to.
    static constexpr std::array<char, kPage> kZeros{};
    TRY(mem::copy_out_bytes(file_end, kZeros.data(), zero_page - file_end));
  }
  return {};
}

// Reserves the whole span first, so that the segments' fixed mappings can hit nothing else.
Result<std::uint64_t> reserve(Span span, bool dynamic, bool anywhere) {
  const std::uint64_t size = page_up(span.end) - span.begin;
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  if (!dynamic) {
    if (mem::is_kernel_range(span.begin, size)) return Errno{ENOMEM};
    const Result<long> at = map(span.begin, size, PROT_NONE, flags | MAP_FIXED_NOREPLACE, -1, 0);
    if (!at.ok()) return Errno{ENOMEM};
    return std::uint64_t{0};
  }
  if (!anywhere) {
    const std::uint64_t base = kPieBase & ~(span.alignment - 1);
    const Result<long> at = map(base, size, PROT_NONE, flags | MAP_FIXED_NOREPLACE, -1, 0);
    if (at.ok()) return base - span.begin;
  }
  const long at = TRY(map(0, size, PROT_NONE, flags, -1, 0));
  return static_cast<std::uint64_t>(at) - span.begin;
}

}  // namespace

Result<Image> map_image(int fd, bool anywhere) {
  Elf64_Ehdr elf{};
  if (TRY(host_call(SYS_pread64, fd, &elf, sizeof(elf), 0)) != sizeof(elf)) return Errno{ENOEXEC};
  std::vector<Elf64_Phdr> headers(elf.e_phnum);
  const auto table_size = static_cast<long>(headers.size() * sizeof(Elf64_Phdr));
  if (TRY(host_call(SYS_pread64, fd, headers.data(), table_size,
                    static_cast<std::int64_t>(elf.e_phoff))) != table_size) {
    return Errno{ENOEXEC};
  }
  const Span span = TRY(load_span(headers));
  Image image;
  image.base = TRY(reserve(span, elf.e_type == ET_DYN, anywhere));
  for (const Elf64_Phdr& header : headers) {
    if (header.p_type == PT_LOAD) TRY(map_segment(fd, header, image.base));
    const std::uint64_t file_offset = elf.e_phoff;
    if (header.p_type == PT_LOAD && header.p_offset <= file_offset &&
        file_offset < header.p_offset + header.p_filesz) {
      image.program_headers = image.base + header.p_vaddr + (file_offset - header.p_offset);
    }
  }
  image.entry = image.base + elf.e_entry;
  image.program_header_count = elf.e_phnum;
  image.end = image.base + span.end;
  return image;
}

}  // namespace detent::loader

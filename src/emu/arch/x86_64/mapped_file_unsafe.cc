#include "emu/arch/x86_64/mapped_file_unsafe.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <algorithm>
#include <charconv>
#include <string_view>

#include "emu/arch/x86_64/host_call.h"
#include "emu/arch/x86_64/host_file.h"

namespace detent::arch {

MappedFile::MappedFile(int fd) {
  struct stat status {};
  if (!host_call(SYS_fstat, fd, &status).ok() || !S_ISREG(status.st_mode)) return;
  if (status.st_size == 0) return;
  const Result<long> at = host_call(SYS_mmap, 0, static_cast<std::int64_t>(status.st_size),
                                    PROT_READ, MAP_PRIVATE, fd, 0);
  if (!at.ok()) return;
  bytes_ = {reinterpret_cast<const std::uint8_t*>(at.value()),
            static_cast<std::size_t>(status.st_size)};
}

MappedFile::~MappedFile() {
  if (bytes_.empty()) return;
  host_call(SYS_munmap, bytes_.data(), static_cast<std::int64_t>(bytes_.size())).value();
}

std::vector<MappedText> mapped_texts() {
  std::vector<MappedText> found;
  const std::string text = read_host_file("/proc/self/maps");
  for (std::string_view rest = text; !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    // "begin-end r-xp offset device inode   /path"
    const std::size_t mode = line.find(" r-xp ");
    const std::size_t path = line.find('/');
    if (mode == line.npos || path == line.npos) continue;
    const char* last = line.data() + line.size();
    MappedText mapped{0, 0, 0, std::string(line.substr(path))};
    const auto begin = std::from_chars(line.data(), last, mapped.begin, 16);
    std::from_chars(begin.ptr + 1, last, mapped.end, 16);
    std::from_chars(line.data() + mode + 6, last, mapped.offset, 16);
    found.push_back(std::move(mapped));
  }
  return found;
}

}  // namespace detent::arch

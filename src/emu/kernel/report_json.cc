#include "emu/kernel/report_json.h"

#include <fmt/format.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <vector>

#include "emu/arch/x86_64/host_call.h"
#include "emu/arch/x86_64/host_file.h"
#include "emu/mem/user_copy_unsafe.h"

namespace detent::emu {
namespace {

constexpr std::size_t kStackBytes = 8192;
constexpr std::uint64_t kRedZone = 128;

// "start-end perms offset device inode   path"
std::string module_json(std::string_view line) {
  std::array<std::string_view, 5> fields;
  for (std::string_view& field : fields) {
    const std::size_t end = std::min(line.find(' '), line.size());
    field = line.substr(0, end);
    line.remove_prefix(std::min(line.size(), end + 1));
  }
  line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
  const std::size_t dash = fields[0].find('-');
  if (dash == std::string_view::npos || fields[1].find('x') == std::string_view::npos) return "";
  const std::string_view start = fields[0].substr(0, dash);
  if (!line.starts_with('/') || start == "70000000" || start == "70001000") return "";
  return fmt::format("{{\"start\":\"0x{}\",\"end\":\"0x{}\",\"offset\":\"0x{}\",\"path\":{}}}",
                     start, fields[0].substr(dash + 1), fields[2], quoted(line));
}

}  // namespace

std::string quoted(std::string_view text) {
  std::string json = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      json += '\\';
      json += c;
    } else if (byte < 0x20 || byte >= 0x7f) {
      fmt::format_to(std::back_inserter(json), "\\u{:04x}", byte);
    } else {
      json += c;
    }
  }
  return json + '"';
}

std::string registers_json(const arch::UserRegs& r) {
  static constexpr std::array<const char*, 17> kNames = {"rip", "rsp", "rbp", "rax", "rbx", "rcx",
                                                         "rdx", "rsi", "rdi", "r8",  "r9",  "r10",
                                                         "r11", "r12", "r13", "r14", "r15"};
  const std::array<std::uint64_t, 17> values = {r.rip, r.rsp, r.rbp, r.rax, r.rbx, r.rcx,
                                                r.rdx, r.rsi, r.rdi, r.r8,  r.r9,  r.r10,
                                                r.r11, r.r12, r.r13, r.r14, r.r15};
  std::string json = "{";
  for (std::size_t i = 0; i < values.size(); ++i) {
    fmt::format_to(std::back_inserter(json), "{}\"{}\":\"{:#x}\"", i == 0 ? "" : ",", kNames[i],
                   values[i]);
  }
  return json + "}";
}

std::vector<unsigned char> stack_of(std::uint64_t rsp) {
  const std::uint64_t at = rsp - kRedZone;
  std::vector<unsigned char> bytes(kStackBytes);
  std::size_t size = 0;
  while (size < bytes.size()) {
    const std::size_t part = std::min<std::size_t>(bytes.size() - size, 4096 - (at + size) % 4096);
    if (!mem::copy_in_bytes(bytes.data() + size, at + size, part).ok()) break;
    size += part;
  }
  bytes.resize(size);
  return bytes;
}

std::string stack_json(std::uint64_t rsp, const std::vector<unsigned char>& bytes) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string hex;
  hex.reserve(2 * bytes.size());
  for (const unsigned char byte : bytes) {
    hex += kDigits[byte >> 4];
    hex += kDigits[byte & 15];
  }
  return fmt::format("{{\"address\":\"{:#x}\",\"bytes\":\"{}\"}}", rsp - kRedZone, hex);
}

std::string stack_json(std::uint64_t rsp) { return stack_json(rsp, stack_of(rsp)); }

std::string modules_json() {
  const std::string text = arch::read_host_file("/proc/self/maps");
  std::vector<std::string> modules;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    std::string module = module_json(std::string_view(text).substr(begin, end - begin));
    if (!module.empty()) modules.push_back(std::move(module));
    begin = end + 1;
  }
  return array_of(modules, [](const std::string& module) { return module; });
}

bool write_whole(int fd, std::string_view text) {
  while (!text.empty()) {
    const Result<long> done = arch::host_call(SYS_write, fd, text.data(), text.size());
    if (!done.ok()) return false;
    text.remove_prefix(static_cast<std::size_t>(done.value()));
  }
  return true;
}

}  // namespace detent::emu

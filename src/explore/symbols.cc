#include "explore/symbols.h"

#include <cxxabi.h>
#include <dwarf.h>
#include <elfutils/libdwfl.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <gelf.h>
#include <sys/types.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <optional>

namespace detent::explore {
namespace {

constexpr int kRegisterCount = 17;
constexpr std::size_t kProgramCounter = 16;

std::string base_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

// How far the file's addresses are from where it was mapped.
std::optional<std::uint64_t> bias_of(const Module& module) {
  const int fd = open(module.path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return std::nullopt;
  std::optional<std::uint64_t> bias;
  elf_version(EV_CURRENT);
  Elf* elf = elf_begin(fd, ELF_C_READ, nullptr);
  std::size_t count = 0;
  if (elf != nullptr && elf_getphdrnum(elf, &count) == 0) {
    for (std::size_t i = 0; i < count && !bias; ++i) {
      GElf_Phdr header;
      if (gelf_getphdr(elf, static_cast<int>(i), &header) == nullptr) break;
      const bool here = header.p_type == PT_LOAD && (header.p_flags & PF_X) != 0 &&
                        module.offset <= header.p_offset + header.p_filesz &&
                        header.p_offset < module.offset + (module.end - module.start);
      if (here) bias = module.start - (header.p_vaddr - header.p_offset + module.offset);
    }
  }
  elf_end(elf);
  close(fd);
  return bias;
}

std::string demangled(const char* name) {
  if (name == nullptr) return "";
  int status = 0;
  char* plain = abi::__cxa_demangle(name, nullptr, nullptr, &status);
  std::string result = status == 0 && plain != nullptr ? plain : name;
  std::free(plain);
  return result;
}

// ---- what libdwfl asks of us: one thread, whose memory is the piece of stack ----

pid_t next_thread(Dwfl* /*dwfl*/, void* argument, void** thread) {
  if (*thread != nullptr) return 0;
  *thread = argument;
  return 1;
}

bool read_memory(Dwfl* /*dwfl*/, Dwarf_Addr address, Dwarf_Word* result, void* argument) {
  const auto& standing = **static_cast<const Standing**>(argument);
  const std::uint64_t begin = standing.stack_address;
  if (address < begin || address - begin + sizeof(*result) > standing.stack.size()) return false;
  std::memcpy(result, standing.stack.data() + (address - begin), sizeof(*result));
  return true;
}

bool set_registers(Dwfl_Thread* thread, void* argument) {
  const auto& standing = **static_cast<const Standing**>(argument);
  dwfl_thread_state_register_pc(thread, standing.registers[kProgramCounter]);
  return dwfl_thread_state_registers(thread, 0, kRegisterCount, standing.registers.data());
}

constexpr Dwfl_Thread_Callbacks kThread = {next_thread,   nullptr, read_memory,
                                           set_registers, nullptr, nullptr};

struct Walk {
  Dwfl* dwfl;
  std::vector<Frame> frames;
};

Frame frame_at(Dwfl* dwfl, Dwarf_Addr pc) {
  Frame frame;
  Dwfl_Module* module = dwfl_addrmodule(dwfl, pc);
  frame.offset = pc;
  if (module == nullptr) return frame;
  Dwarf_Addr start = 0;
  const char* name =
      dwfl_module_info(module, nullptr, &start, nullptr, nullptr, nullptr, nullptr, nullptr);
  const std::string path = name != nullptr ? name : "";
  frame.module = base_name(path);
  frame.system = path.starts_with("/lib") || path.starts_with("/usr/lib");
  frame.offset = pc - start;
  frame.function = demangled(dwfl_module_addrname(module, pc));
  Dwfl_Line* line = dwfl_module_getsrc(module, pc);
  const char* file = line == nullptr
                         ? nullptr
                         : dwfl_lineinfo(line, nullptr, &frame.line, nullptr, nullptr, nullptr);
  if (file != nullptr) frame.file = file;
  return frame;
}

int visit(Dwfl_Frame* state, void* argument) {
  auto& walk = *static_cast<Walk*>(argument);
  Dwarf_Addr pc = 0;
  bool exact = false;
  if (!dwfl_frame_pc(state, &pc, &exact)) return DWARF_CB_ABORT;
  // A return address may be that of the next line already.
  walk.frames.push_back(frame_at(walk.dwfl, exact ? pc : pc - 1));
  return walk.frames.size() < Symbols::kMost ? DWARF_CB_OK : DWARF_CB_ABORT;
}

constexpr Dwfl_Callbacks kFiles = {dwfl_build_id_find_elf, dwfl_standard_find_debuginfo, nullptr,
                                   nullptr};

}  // namespace

struct Symbols::Session {
  Dwfl* dwfl = nullptr;
  const Standing* standing = nullptr;  // what libdwfl is to see now
  bool attached = false;
};

Symbols::Symbols(const std::vector<Module>& modules) : session_(std::make_unique<Session>()) {
  Dwfl* dwfl = dwfl_begin(&kFiles);
  session_->dwfl = dwfl;
  if (dwfl == nullptr) return;
  dwfl_report_begin(dwfl);
  for (const Module& module : modules) {
    if (dwfl_addrmodule(dwfl, module.start) != nullptr) continue;
    const std::optional<std::uint64_t> bias = bias_of(module);
    if (!bias) continue;
    dwfl_report_elf(dwfl, module.path.c_str(), module.path.c_str(), -1, *bias, true);
  }
  dwfl_report_end(dwfl, nullptr, nullptr);
  session_->attached = dwfl_attach_state(dwfl, nullptr, 1, &kThread, &session_->standing);
}

Symbols::~Symbols() {
  if (session_->dwfl != nullptr) dwfl_end(session_->dwfl);
}

std::vector<Frame> Symbols::unwind(const Standing& standing) const {
  Walk walk{session_->dwfl, {}};
  session_->standing = &standing;
  if (session_->attached) dwfl_getthread_frames(session_->dwfl, 1, visit, &walk);
  if (walk.frames.empty() && session_->dwfl != nullptr) {
    walk.frames.push_back(frame_at(session_->dwfl, standing.registers[kProgramCounter]));
  }
  return walk.frames;
}

const Symbols& symbols_for(const std::vector<Module>& modules) {
  static std::vector<Module> known;
  static std::unique_ptr<Symbols> symbols;
  if (symbols == nullptr || known != modules) {
    symbols = std::make_unique<Symbols>(modules);
    known = modules;
  }
  return *symbols;
}

std::string frame_text(const Frame& frame) {
  const std::string name = frame.function.empty() ? "?" : frame.function;
  if (!frame.file.empty() && !frame.system)
    return fmt::format("{}, {}:{}", name, base_name(frame.file), frame.line);
  if (frame.module.empty()) return fmt::format("{:#x}", frame.offset);
  return fmt::format("{}, {}", name, frame.module);
}

const Frame* own_frame(const std::vector<Frame>& frames) {
  for (const Frame& frame : frames) {
    if (!frame.file.empty() && !frame.system) return &frame;
  }
  return nullptr;
}

}  // namespace detent::explore

// Debug information is looked for on this machine only. In elfutils' library a client that asks servers
// stands behind these names (libdwfl/libdwflP.h); it would bring dlopen(3) into a static program. The linker
// takes ours first and leaves it out.
extern "C" {

int __libdwfl_debuginfod_find_executable(Dwfl* /*dwfl*/, const unsigned char* /*build_id*/,
                                         std::size_t /*length*/) {
  return -ENOSYS;
}
int __libdwfl_debuginfod_find_debuginfo(Dwfl* /*dwfl*/, const unsigned char* /*build_id*/,
                                        std::size_t /*length*/) {
  return -ENOSYS;
}
void __libdwfl_debuginfod_end(void* /*client*/) {}

}  // extern "C"

#include "emu/kernel/points.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <vector>

#include "emu/arch/x86_64/elf_functions.h"
#include "emu/arch/x86_64/host_call.h"
#include "emu/arch/x86_64/mapped_file_unsafe.h"
#include "emu/arch/x86_64/site_patcher_unsafe.h"
#include "emu/arch/x86_64/trap.h"
#include "emu/kernel/kernel.h"
#include "emu/mem/user_copy_unsafe.h"
#include "emu/signal/task_signals.h"

namespace detent::emu {

using arch::MemoryOperand;

namespace {

// Registers by their number in instructions.
constexpr std::uint64_t arch::UserRegs::*kByNumber[16] = {
    &arch::UserRegs::rax, &arch::UserRegs::rcx, &arch::UserRegs::rdx, &arch::UserRegs::rbx,
    &arch::UserRegs::rsp, &arch::UserRegs::rbp, &arch::UserRegs::rsi, &arch::UserRegs::rdi,
    &arch::UserRegs::r8,  &arch::UserRegs::r9,  &arch::UserRegs::r10, &arch::UserRegs::r11,
    &arch::UserRegs::r12, &arch::UserRegs::r13, &arch::UserRegs::r14, &arch::UserRegs::r15};

std::uint64_t address_of(const arch::Patch& point, const arch::UserRegs& regs) {
  const MemoryOperand& operand = point.shape.operand;
  auto address = static_cast<std::uint64_t>(std::int64_t{operand.displacement});
  if (operand.base == MemoryOperand::kRip) {
    address += point.site + point.shape.length;
  } else if (operand.base != MemoryOperand::kNoRegister) {
    address += regs.*kByNumber[operand.base];
  }
  if (operand.index != MemoryOperand::kNoRegister) {
    address += regs.*kByNumber[operand.index] << operand.shift;
  }
  if (operand.segment == MemoryOperand::Segment::kFs) address += regs.fs_base;
  if (operand.segment == MemoryOperand::Segment::kGs) address += regs.gs_base;
  return address;
}

// Site, word and value: what a loop that waits finds again and again.
std::uint64_t look_of(const arch::Patch& point, std::uint64_t address) {
  if (point.shape.point == arch::PointKind::kPause) return point.site;
  const Result<std::uint32_t> word = mem::load_u32(address);
  const std::uint64_t value = word.ok() ? word.value() : 0;
  return point.site ^ address << 16 ^ value << 32;
}

}  // namespace

bool is_listed(std::string_view list, std::string_view path) {
  const std::string_view file = path.substr(path.rfind('/') + 1);
  while (!list.empty()) {
    const std::string_view name = list.substr(0, list.find(','));
    list.remove_prefix(std::min(name.size() + 1, list.size()));
    if (name == path || name == file) return true;
  }
  return false;
}

void Points::start() {
  if (!kernel_.config().points) return;
  enabled_ = true;
  slots_ = arch::install_point_handler([](void* context, const arch::Patch& point) {
    auto& kernel = *static_cast<Kernel*>(context);
    kernel.points().at(kernel.scheduler().current(), point);
    kernel.points().before_guest();
  });
  for (const arch::MappedText& text : arch::mapped_texts()) {
    if (mem::is_kernel_range(text.begin, text.end - text.begin)) continue;
    const Result<long> fd =
        arch::host_call(SYS_openat, AT_FDCWD, text.path.c_str(), O_RDONLY | O_CLOEXEC, 0);
    if (!fd.ok()) continue;
    scan(static_cast<int>(fd.value()), text.begin, text.end - text.begin, text.offset);
    arch::host_call(SYS_close, fd.value()).value();
  }
}

void Points::on_map(std::uint64_t address, std::uint64_t size, int prot, int flags, int fd,
                    std::uint64_t offset) {
  const int type = flags & MAP_TYPE;
  const bool is_text = (prot & PROT_EXEC) != 0 && (prot & PROT_WRITE) == 0 && type == MAP_PRIVATE &&
                       (flags & MAP_ANONYMOUS) == 0;
  if (enabled_ && is_text) scan(fd, address, size, offset);
}

void Points::scan(int fd, std::uint64_t address, std::uint64_t size, std::uint64_t offset) {
  const arch::MappedFile file(fd);
  std::vector<arch::SitePatcher::Point> points;
  for (const arch::FunctionRange& function : arch::functions_of(file.bytes())) {
    if (function.begin < offset || function.end > offset + size) continue;
    const auto code = file.bytes().subspan(function.begin, function.end - function.begin);
    const std::uint64_t at = address + (function.begin - offset);
    for (const arch::FoundPoint& found : arch::find_points(code, function.has_pads)) {
      points.push_back({at, found});
    }
  }
  arch::site_patcher().add_points(points, slots_, [this](std::string_view path, std::uint64_t) {
    return !is_listed(kernel_.config().patch_skip, path);
  });
}

bool Points::wanted() const {
  return kernel_.chooser().schedule().strategy.points == trace::Points::kAtomics &&
         kernel_.chooser().has_chosen() && kernel_.scheduler().point_matters();
}

void Points::before_guest() {
  if (enabled_) arch::open_point_door(wanted());
}

void Points::publish(Task& task, const arch::Patch& point, std::uint64_t address) {
  if (point.shape.point == arch::PointKind::kPause) {
    task.trace.next = {trace::kPause, {}, trace::Access::kNone};
    task.trace.detail = 0;
    return;
  }
  task.trace.next = {trace::kAtomic, kernel_.record().memory_object(address),
                     trace::Access::kWrite};
  task.trace.detail = address;
}

void Points::at(Task& task, const arch::Patch& point) {
  if (!wanted()) return;
  ++asked_;
  task.current_syscall = -1;
  const std::uint64_t address = address_of(point, task.user.regs);
  publish(task, point, address);
  kernel_.scheduler().offer_point(
      task, trace::Chooser::spins_at_point(task.trace, look_of(point, address)));
  kernel_.chooser().pass_point(task.trace, kernel_.clocks().monotonic());
  task.trace.next = {trace::kUserCode, {trace::Object::Space::kUser, 0}, trace::Access::kWrite};
  if (task.signal_pending) task.signals->deliver(std::nullopt, task.current_syscall);
}

}  // namespace detent::emu

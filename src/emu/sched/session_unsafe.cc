#include "emu/sched/session_unsafe.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>

#include "emu/arch/x86_64/host_call.h"
#include "emu/arch/x86_64/kernel_fds.h"
#include "emu/mem/user_copy_unsafe.h"
#include "emu/sched/session_page.h"

namespace detent::sched {

using arch::host_call;

void Session::map(int fd) {
  static_assert(sizeof(Page) <= kFutexOffset);
  const long at = host_call(SYS_mmap, static_cast<std::int64_t>(mem::kSessionBase),
                            static_cast<std::int64_t>(mem::kSessionSize), PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_FIXED, fd, 0)
                      .value();
  page_ = reinterpret_cast<Page*>(at);
  fd_ = fd;
}

void Session::create(std::int64_t now) {
  if (active()) return;
  const arch::KernelFdRoom room;
  const auto fd =
      static_cast<int>(host_call(SYS_memfd_create, "detent-session", MFD_CLOEXEC).value());
  host_call(SYS_ftruncate, fd, static_cast<std::int64_t>(mem::kSessionSize)).value();
  map(arch::to_kernel_fd(fd).value());
  const auto bell = static_cast<int>(host_call(SYS_eventfd2, 0, EFD_CLOEXEC).value());
  doorbell_ = arch::to_kernel_fd(bell).value();
  page_->now = now;
  page_->slots[0].pid = -1;
  page_->used = 1;
  name_slot(0, static_cast<int>(host_call(SYS_getpid).value()));
  become(0);
}

void Session::attach(int fd, int doorbell, int slot) {
  arch::adopt_kernel_fd(fd);
  map(fd);
  doorbell_ = doorbell;
  slot_ = slot;
}

void Session::become(int slot) {
  slot_ = slot;
  hold_own_byte();
}

void Session::hold_own_byte() {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = slot_;
  lock.l_len = 1;
  host_call(SYS_fcntl, fd_, F_SETLK, &lock).value();
  page_->slots[static_cast<std::size_t>(slot_)].byte_held = 1;
}

bool Session::gone(int slot) const {
  const Slot& entry = page_->slots[static_cast<std::size_t>(slot)];
  if (entry.pid == 0) return true;
  if (slot == slot_ || entry.byte_held == 0) return false;
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = slot;
  lock.l_len = 1;
  return host_call(SYS_fcntl, fd_, F_GETLK, &lock).ok() && lock.l_type == F_UNLCK;
}

std::uint64_t Session::unique_number(std::uint64_t from) {
  std::uint64_t last = page_->unique;
  while (last < from && !page_->unique.compare_exchange_weak(last, from)) {
  }
  return page_->unique++;
}

std::atomic<std::int64_t>& Session::now() { return page_->now; }

std::int64_t Session::steps() const { return page_->steps; }

void Session::add_step(std::int64_t by) {
  page_->steps += by;
  const std::uint64_t one = 1;
  host_call(SYS_write, doorbell_, &one, sizeof(one)).value();
}

std::uint64_t Session::number() const {
  return active() ? page_->slots[static_cast<std::size_t>(slot_)].number.load() : 0;
}

std::uint64_t Session::hash() const { return active() ? page_->hash.load() : 0; }

void Session::add_to_hash(std::uint64_t value) {
  page_->hash = (page_->hash ^ value) * 0x9e3779b97f4a7c15 + 1;
}

Result<int> Session::reserve_slot() {
  for (const bool reclaim : {false, true}) {
    for (int i = 0; i < kSlots; ++i) {
      Slot& slot = page_->slots[static_cast<std::size_t>(i)];
      std::int32_t old = 0;
      if (reclaim && slot.pid > 0 && gone(i)) old = slot.pid;
      if (!slot.pid.compare_exchange_strong(old, -1)) continue;
      for (auto* flag : {&slot.byte_held, &slot.idle, &slot.waits_for, &slot.attention,
                         &slot.stopped, &slot.lent}) {
        *flag = 0;
      }
      slot.lender = 0;
      slot.number = ++page_->processes;
      if (page_->used <= i) page_->used = i + 1;
      return i;
    }
  }
  return Errno{EAGAIN};
}

void Session::name_slot(int slot, int pid) {
  std::int32_t unnamed = -1;
  page_->slots[static_cast<std::size_t>(slot)].pid.compare_exchange_strong(unnamed, pid);
}

void Session::release_slot(int slot) { page_->slots[static_cast<std::size_t>(slot)].pid = 0; }

}  // namespace detent::sched

#include "emu/sched/session_unsafe.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <string>
#include <string_view>

#include "detent/assert.h"
#include "emu/arch/x86_64/host_call.h"
#include "emu/arch/x86_64/kernel_fds.h"
#include "emu/mem/user_copy_unsafe.h"

namespace detent::sched {

using arch::host_call;

struct Session::Slot {
  std::atomic<std::int32_t> pid;  // 0: free; -1: reserved, not named yet
  std::atomic<std::uint32_t> idle;
  std::atomic<std::int64_t> deadline;
  std::atomic<std::uint64_t> acknowledged;
  std::atomic<std::uint32_t> byte_held;  // the process holds the lock on its byte
};

struct Session::Page {
  std::atomic<std::int64_t> now;
  std::atomic<std::uint64_t> unique;
  std::atomic<std::uint64_t> probe;
  std::atomic<std::uint64_t> activity;  // counts processes that stopped being idle, or to be
  std::array<Slot, kSlots> slots;
};

namespace {

enum class Life { kRunning, kStopped, kGone };

// A process that ended without a word (killed, or its last host call) keeps its slot until somebody
// whom it blocks looks. A zombie is gone: its parent has been told.
Life life_of(int pid) {
  const std::string path = "/proc/" + std::to_string(pid) + "/stat";
  const Result<long> fd = host_call(SYS_openat, AT_FDCWD, path.c_str(), O_RDONLY | O_CLOEXEC);
  if (!fd.ok()) return Life::kGone;
  std::array<char, 256> text;
  const Result<long> size = host_call(SYS_read, fd.value(), text.data(), text.size());
  host_call(SYS_close, fd.value()).value();
  if (!size.ok()) return Life::kGone;
  const std::string_view line(text.data(), static_cast<std::size_t>(size.value()));
  const std::size_t name_end = line.rfind(')');
  if (name_end == std::string_view::npos || name_end + 2 >= line.size()) return Life::kGone;
  switch (line[name_end + 2]) {
    case 'Z':
    case 'X':
      return Life::kGone;
    case 'T':
    case 't':
      return Life::kStopped;
    default:
      return Life::kRunning;
  }
}

}  // namespace

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
  const auto fd =
      static_cast<int>(host_call(SYS_memfd_create, "detent-session", MFD_CLOEXEC).value());
  host_call(SYS_ftruncate, fd, static_cast<std::int64_t>(mem::kSessionSize)).value();
  map(arch::to_kernel_fd(fd).value());
  const auto bell = static_cast<int>(host_call(SYS_eventfd2, 0, EFD_CLOEXEC).value());
  doorbell_ = arch::to_kernel_fd(bell).value();
  page_->now = now;
  become(0, static_cast<int>(host_call(SYS_getpid).value()));
}

void Session::attach(int fd, int doorbell, int slot) {
  arch::adopt_kernel_fd(fd);
  map(fd);
  doorbell_ = doorbell;
  slot_ = slot;
}

void Session::become(int slot, int pid) {
  slot_ = slot;
  name_slot(slot, pid);
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

Result<int> Session::reserve_slot() {
  for (const bool reclaim : {false, true}) {
    for (int i = 0; i < kSlots; ++i) {
      Slot& slot = page_->slots[static_cast<std::size_t>(i)];
      std::int32_t old = 0;
      if (reclaim && slot.pid > 0 && gone(i)) old = slot.pid;
      if (!slot.pid.compare_exchange_strong(old, -1)) continue;
      slot.idle = 0;
      slot.acknowledged = 0;
      slot.byte_held = 0;
      ++page_->activity;
      return i;
    }
  }
  return Errno{EAGAIN};
}

void Session::name_slot(int slot, int pid) {
  page_->slots[static_cast<std::size_t>(slot)].pid = pid;
}

void Session::release_slot(int slot) { name_slot(slot, 0); }

void Session::enter_idle(std::int64_t deadline) {
  Slot& own = page_->slots[static_cast<std::size_t>(slot_)];
  own.acknowledged = 0;
  own.deadline = deadline;
  own.idle = 1;
  my_probe_ = 0;
}

void Session::leave_idle() {
  page_->slots[static_cast<std::size_t>(slot_)].idle = 0;
  ++page_->activity;
}

std::uint64_t Session::probe() const { return page_->probe; }

void Session::acknowledge(std::uint64_t probe) {
  page_->slots[static_cast<std::size_t>(slot_)].acknowledged = probe;
}

bool Session::others_allow(bool& acknowledged) {
  acknowledged = true;
  const std::int64_t mine = page_->slots[static_cast<std::size_t>(slot_)].deadline;
  for (int i = 0; i < kSlots; ++i) {
    Slot& other = page_->slots[static_cast<std::size_t>(i)];
    const std::int32_t pid = other.pid;
    if (i == slot_ || pid == 0) continue;
    const std::int64_t deadline = other.deadline;
    const bool before_us = deadline < mine || (deadline == mine && i < slot_);
    const bool blocks = other.idle == 0 || before_us || other.acknowledged < my_probe_;
    if (!blocks) continue;
    // Looked at only now and then: three host calls. What a gone process did last may still be on its
    // way to others, so its end counts as activity.
    const Life life = pid > 0 && asked_ % 4 == 0 ? life_of(pid) : Life::kRunning;
    if (life == Life::kGone) {
      release_slot(i);
      ++page_->activity;
    }
    if (life == Life::kStopped) continue;
    if (life == Life::kGone || other.idle == 0 || before_us) return false;
    acknowledged = false;
  }
  return true;
}

bool Session::may_jump() {
  ++asked_;
  if (page_->slots[static_cast<std::size_t>(slot_)].deadline == kNever) return false;
  bool acknowledged = false;
  if (!others_allow(acknowledged)) {
    my_probe_ = 0;
    return false;
  }
  if (my_probe_ == 0 || activity_seen_ != page_->activity) {
    activity_seen_ = page_->activity;
    my_probe_ = ++page_->probe;
    return false;
  }
  return acknowledged;
}

}  // namespace detent::sched

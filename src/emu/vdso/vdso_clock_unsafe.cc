#include "emu/vdso/vdso_clock_unsafe.h"

#include <sys/mman.h>
#include <sys/syscall.h>

#include <atomic>
#include <cstring>

#include "emu/arch/x86_64/host_call.h"
#include "emu/mem/user_copy_unsafe.h"
#include "emu/vdso/vdso_page.h"

extern "C" {
// Made by embed.py from vdso_unsafe.c.
extern const unsigned char detent_vdso_image[];
extern const unsigned long detent_vdso_image_size;
}

namespace detent::vdso {
namespace {

using arch::host_call;
using timebase::Base;

constexpr std::uint64_t kImageAt = DETENT_VDSO_PAGE + kVdsoPageSize;
static_assert(DETENT_VDSO_PAGE >= mem::kReservedEnd);

VdsoPage& page() { return *reinterpret_cast<VdsoPage*>(DETENT_VDSO_PAGE); }

}  // namespace

std::uint64_t map_image() {
  const auto size = static_cast<std::int64_t>(detent_vdso_image_size);
  const Result<long> mapped =
      host_call(SYS_mmap, static_cast<std::int64_t>(DETENT_VDSO_PAGE), kVdsoPageSize + size,
                PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  if (!mapped.ok()) return 0;
  std::memcpy(reinterpret_cast<void*>(kImageAt), detent_vdso_image, detent_vdso_image_size);
  host_call(SYS_mprotect, static_cast<std::int64_t>(kImageAt), size, PROT_READ | PROT_EXEC).value();
  return kImageAt;
}

VdsoClock::VdsoClock(timebase::TscClock& clock, timebase::ClockSet& clocks)
    : clock_(clock), clocks_(clocks) {
  clocks.add_listener(*this);
  clock.set_resync_hook([](void* self) { static_cast<VdsoClock*>(self)->publish(); }, this);
  publish();
}

VdsoClock::~VdsoClock() { clock_.set_resync_hook(nullptr, nullptr); }

//  writer (the kernel)            reader (a guest thread, interrupted anywhere by the writer)
//  sequence odd                   reads sequence; if odd, asks the kernel
//  fields                         reads the fields
//  sequence even, another one     reads sequence; if another one, starts again
void VdsoClock::publish() {
  const timebase::TscClock::Line& line = clock_.line();
  VdsoPage& to = page();
  ++to.sequence;
  std::atomic_signal_fence(std::memory_order_seq_cst);
  to.base_tsc = line.base_tsc;
  to.base_ns = line.base_ns;
  to.mult = line.mult;
  to.ticks = line.ticks;
  to.realtime = clocks_.offset(Base::kRealtime);
  to.boottime = clocks_.offset(Base::kBoottime);
  to.usable = clocks_.bent() ? 0 : 1;
  std::atomic_signal_fence(std::memory_order_seq_cst);
  ++to.sequence;
}

}  // namespace detent::vdso

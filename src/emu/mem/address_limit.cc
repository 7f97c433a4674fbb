#include "emu/mem/address_limit.h"

#include <sys/syscall.h>

#include <algorithm>

#include "emu/arch/x86_64/host_call.h"
#include "emu/mem/user_copy_unsafe.h"

namespace detent::mem {
namespace {

constexpr rlim_t kReservedSpace = kReservedEnd - kHeapBase + (kImageLimit - kImageBase);

// What counts as data is writable and private: of the reserved ranges, the heap.
rlim_t share_of_kernel(int resource) {
  if (resource == RLIMIT_AS) return kReservedSpace;
  return resource == RLIMIT_DATA ? kHeapSize : 0;
}

rlim_t raised(rlim_t limit, rlim_t by) {
  return limit > RLIM_INFINITY - 1 - by ? RLIM_INFINITY : limit + by;
}

rlim_t lowered(rlim_t limit, rlim_t by) {
  return limit == RLIM_INFINITY ? limit : limit - std::min(limit, by);
}

}  // namespace

bool is_shifted_limit(int resource) { return share_of_kernel(resource) != 0; }

rlimit to_host_limit(int resource, rlimit guest) {
  const rlim_t share = share_of_kernel(resource);
  return {raised(guest.rlim_cur, share), raised(guest.rlim_max, share)};
}

rlimit to_guest_limit(int resource, rlimit host) {
  const rlim_t share = share_of_kernel(resource);
  return {lowered(host.rlim_cur, share), lowered(host.rlim_max, share)};
}

Result<void> make_room_in_address_space() {
  for (const int resource : {RLIMIT_AS, RLIMIT_DATA}) {
    rlimit limit{};
    TRY(arch::host_call(SYS_prlimit64, 0, resource, nullptr, &limit));
    const rlimit higher = to_host_limit(resource, limit);
    TRY(arch::host_call(SYS_prlimit64, 0, resource, &higher, nullptr));
  }
  return {};
}

}  // namespace detent::mem

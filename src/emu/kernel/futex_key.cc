#include "emu/kernel/futex_key.h"

#include "emu/kernel/kernel.h"
#include "emu/mem/user_copy_unsafe.h"

namespace detent::emu {
namespace {

using waitq::FutexKey;

// FutexKey::space of shared futexes that are not in a shared object (mem::SharedMappings::Place).
constexpr std::uint64_t kSharedKeyOfPrivateMemory = 1;
// Words are aligned, so that the lowest bit of an offset is free to keep NUMA futexes apart.
constexpr std::uint64_t kOnNode = 1;
constexpr std::uint32_t kNoNode = ~0U;  // FUTEX_NO_NODE

// The guest has one node, number 0; "no node" is replaced by it in the guest's memory.
Result<void> settle_node(std::uint64_t address) {
  const std::uint32_t node = TRY(mem::load_u32(address));
  if (node == 0) return {};
  if (node != kNoNode) return Errno{EINVAL};
  return mem::copy_out(UserPtr<std::uint32_t>(address), std::uint32_t{0});
}

Result<FutexKey> shared_key(Task& task, std::uint64_t uaddr, FutexAccess access) {
  const std::uint32_t word = TRY(mem::load_u32(uaddr));
  const auto place = task.process().shared_mappings().find(uaddr);
  // A shared key of private memory needs a writable page, so that it is the process's own.
  if (!place || access == FutexAccess::kWrite) {
    TRY(mem::compare_exchange_u32(uaddr, word, word));
  }
  if (place) return FutexKey{place->object, place->offset};
  return FutexKey{kSharedKeyOfPrivateMemory, uaddr};
}

}  // namespace

Result<FutexKey> futex_key(Task& task, const FutexAddress& address, FutexAccess access) {
  const std::uint64_t size = address.numa ? 8 : 4;
  if (address.uaddr % size != 0) return Errno{EINVAL};
  if (!mem::is_user_range(address.uaddr, size)) return Errno{EFAULT};
  if (address.numa) TRY(settle_node(address.uaddr + 4));
  FutexKey key{waitq::kPrivateSpace, address.uaddr};
  if (!address.is_private) key = TRY(shared_key(task, address.uaddr, access));
  if (address.numa) key.offset |= kOnNode;
  return key;
}

bool is_shared_object(const FutexKey& key) { return key.space > kSharedKeyOfPrivateMemory; }

bool is_in_session(Task& task, const FutexKey& key) {
  return is_shared_object(key) && task.kernel().shared_futexes().active();
}

}  // namespace detent::emu

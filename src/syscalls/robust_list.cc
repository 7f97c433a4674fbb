#include "syscalls/robust_list.h"

#include <linux/futex.h>

#include "emu/mem/user_copy_unsafe.h"
#include "syscalls/futex.h"

namespace detent::syscalls {
namespace {

struct Entry {
  std::uint64_t address = 0;
  bool pi = false;
};

Result<Entry> fetch(std::uint64_t from) {
  const std::uint64_t link = TRY(mem::copy_in(UserPtr<const std::uint64_t>(from)));
  return Entry{link & ~std::uint64_t{1}, (link & 1) != 0};
}

void lock_owner_died(Task& task, std::uint64_t word_address, bool pending) {
  if (word_address % 4 != 0) return;
  for (;;) {
    const Result<std::uint32_t> word = mem::load_u32(word_address);
    if (!word.ok()) return;
    const std::uint32_t owner = word.value() & FUTEX_TID_MASK;
    // A pending unlock that had released the word already: whoever waits must be woken all the same.
    if (pending && owner == 0) {
      wake_futex_at_exit(task, word_address);
      return;
    }
    if (owner != static_cast<std::uint32_t>(raw(task.tid()))) return;
    const std::uint32_t dead = (word.value() & FUTEX_WAITERS) | FUTEX_OWNER_DIED;
    const Result<std::uint32_t> found = mem::compare_exchange_u32(word_address, word.value(), dead);
    if (!found.ok()) return;
    if (found.value() != word.value()) continue;
    if (word.value() & FUTEX_WAITERS) wake_futex_at_exit(task, word_address);
    return;
  }
}

}  // namespace

void release_robust_list(Task& task) {
  const std::uint64_t head = std::exchange(task.robust_list, 0);
  if (head == 0) return;
  const auto offset = mem::copy_in(UserPtr<const std::int64_t>(head + 8));
  const auto pending = fetch(head + 16);
  Result<Entry> entry = fetch(head);
  if (!offset.ok() || !pending.ok()) return;
  const auto word_of = [&](const Entry& e) {
    return e.address + static_cast<std::uint64_t>(offset.value());
  };
  for (int count = 0; entry.ok() && entry.value().address != head && count < ROBUST_LIST_LIMIT;
       ++count) {
    // The next link first: the waiter that is woken may free this entry.
    const Result<Entry> next = fetch(entry.value().address);
    if (entry.value().address != pending.value().address) {
      lock_owner_died(task, word_of(entry.value()), false);
    }
    entry = next;
  }
  if (pending.value().address != 0) lock_owner_died(task, word_of(pending.value()), true);
}

}  // namespace detent::syscalls

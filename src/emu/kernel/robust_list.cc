#include "emu/kernel/robust_list.h"

#include <linux/futex.h>

#include <utility>

#include "emu/kernel/futex.h"
#include "emu/kernel/futex_pi.h"
#include "emu/kernel/kernel.h"
#include "emu/mem/user_copy_unsafe.h"

namespace detent::emu {
namespace {

// A link of the list: the next entry's address; the lowest bit says that it is a PI futex.
struct Entry {
  std::uint64_t address = 0;
  bool pi = false;
};

Result<Entry> fetch(std::uint64_t from) {
  const std::uint64_t link = TRY(mem::copy_in(UserPtr<const std::uint64_t>(from)));
  return Entry{link & ~std::uint64_t{1}, (link & 1) != 0};
}

// The kernel always wakes by the shared key, and so does libc wait for robust mutexes.
void wake_one(Task& task, std::uint64_t uaddr) {
  static_cast<void>(futex_wake(task, {uaddr, false, false}, 1, waitq::kMatchAny));
}

// False: the list cannot be trusted any further.
bool owner_died(Task& task, std::uint64_t uaddr, bool pi, bool pending) {
  if (uaddr % 4 != 0) return false;
  Result<std::uint32_t> word = mem::load_u32(uaddr);
  while (word.ok()) {
    const std::uint32_t old = word.value();
    // An unlock that had released the word already: whoever waits must be woken all the same.
    if (pending && !pi && (old & FUTEX_TID_MASK) == 0) {
      wake_one(task, uaddr);
      return true;
    }
    if ((old & FUTEX_TID_MASK) != static_cast<std::uint32_t>(raw(task.tid()))) return true;
    word = mem::compare_exchange_u32(uaddr, old, (old & FUTEX_WAITERS) | FUTEX_OWNER_DIED);
    if (!word.ok() || word.value() != old) continue;
    // Waiters of a PI futex are the affair of release_pi_futexes().
    if (!pi && (old & FUTEX_WAITERS) != 0) wake_one(task, uaddr);
    return true;
  }
  return false;
}

void release_robust_list(Task& task) {
  const std::uint64_t head = task.robust_list;
  if (head == 0) return;
  Result<Entry> entry = fetch(head);
  if (!entry.ok()) return;
  const auto offset = mem::copy_in(UserPtr<const std::int64_t>(head + 8));
  if (!offset.ok()) return;
  const auto pending = fetch(head + 16);
  if (!pending.ok()) return;
  const auto word_of = [&](const Entry& e) {
    return e.address + static_cast<std::uint64_t>(offset.value());
  };
  for (int left = ROBUST_LIST_LIMIT; entry.value().address != head; --left) {
    if (left == 0) break;
    const Entry now = entry.value();
    // The next link first: the waiter that is woken may free this entry.
    entry = fetch(now.address);
    const bool is_pending = now.address == pending.value().address;
    if (!is_pending && !owner_died(task, word_of(now), now.pi, false)) return;
    if (!entry.ok()) return;
  }
  const Entry& last = pending.value();
  if (last.address != 0) owner_died(task, word_of(last), last.pi, true);
}

}  // namespace

void release_futexes(Task& task) {
  release_robust_list(task);
  release_pi_futexes(task);
}

void release_all_futexes(Kernel& kernel) { kernel.process().for_each_task(release_futexes); }

void clear_child_tid(Task& task) {
  const std::uint64_t word = std::exchange(task.clear_child_tid, 0);
  if (word == 0) return;
  // kernel/fork.c mm_release(): the word is cleared even if nobody waits.
  static_cast<void>(mem::copy_out(UserPtr<std::int32_t>(word), 0));
  wake_one(task, word);
}

}  // namespace detent::emu

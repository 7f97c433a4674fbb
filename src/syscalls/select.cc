#include "syscalls/select.h"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <vector>

#include "emu/mem/user_copy_unsafe.h"
#include "emu/process/process.h"
#include "syscalls/files.h"
#include "syscalls/poll_set.h"
#include "syscalls/wait_args.h"

namespace detent::syscalls {
namespace {

using waitq::PollMask;

constexpr unsigned kBits = 64;
// The smallest table that a process with a few fds has (FDSize in /proc/pid/status).
constexpr unsigned kSmallestTable = 256;

// What makes an fd readable, writable and exceptional for select(2): POLLIN_SET, POLLOUT_SET, POLLEX_SET.
constexpr std::array<PollMask, 3> kMeaning = {
    waitq::kRdNorm | waitq::kRdBand | waitq::kIn | waitq::kHup | waitq::kErr | waitq::kNval,
    waitq::kWrBand | waitq::kWrNorm | waitq::kOut | waitq::kErr | waitq::kNval,
    waitq::kPri | waitq::kNval};

using Words = std::vector<std::uint64_t>;

bool has(const Words& words, unsigned fd) {
  return !words.empty() && ((words[fd / kBits] >> (fd % kBits)) & 1) != 0;
}

// The three sets of one call, and their results.
struct FdSets {
  std::array<UserFdSet, 3> user;
  std::array<Words, 3> asked;
  std::array<Words, 3> found;
  unsigned count = 0;  // fds below this number are looked at

  [[nodiscard]] bool any(unsigned fd) const {
    return has(asked[0], fd) || has(asked[1], fd) || has(asked[2], fd);
  }
  [[nodiscard]] std::size_t words() const { return (count + kBits - 1) / kBits; }
};

bool is_open(Task& task, unsigned fd) {
  const Result<fd::File*> file = usable_file(task, static_cast<Fd>(fd));
  return file.ok() || file.error() != Errno{EBADF};
}

Result<void> copy_in_sets(FdSets& sets) {
  for (std::size_t i = 0; i < 3; ++i) {
    if (sets.user[i].is_null()) continue;
    sets.asked[i].resize(sets.words());
    if (sets.count == 0) continue;
    TRY(mem::copy_in_bytes(sets.asked[i].data(), sets.user[i].address(), sets.words() * 8));
  }
  return {};
}

// Linux looks at no fd beyond its table, which grows by doubling with the fds that are opened: so a
// stray bit of a closed fd is EBADF below its end, and overlooked behind it.
void cut_to_table(Task& task, FdSets& sets) {
  unsigned table = kSmallestTable;
  for (unsigned fd = sets.count; fd-- > table;) {
    if (sets.any(fd) && is_open(task, fd)) table = std::bit_ceil(fd + 1);
  }
  sets.count = std::min(sets.count, table);
}

Result<void> add_fds(Task& task, const FdSets& sets, PollSet& set) {
  for (unsigned fd = 0; fd < sets.count; ++fd) {
    if (!sets.any(fd)) continue;
    if (!is_open(task, fd)) return Errno{EBADF};
    PollMask relevant = 0;
    for (std::size_t i = 0; i < 3; ++i) relevant |= has(sets.asked[i], fd) ? kMeaning[i] : 0U;
    // Exceptional events wake every waiter, as in Linux's wait_key_set().
    const PollMask interest = (relevant | waitq::kPri) & ~(waitq::kAlways | waitq::kNval);
    set.add(static_cast<Fd>(fd), interest, relevant);
  }
  return {};
}

// Returns the number of bits set in all results.
long collect(const PollSet& set, FdSets& sets) {
  long bits = 0;
  for (Words& words : sets.found) words.assign(sets.words(), 0);
  for (const PollSet::Entry& entry : set.entries()) {
    const auto fd = static_cast<unsigned>(raw(entry.fd));
    for (std::size_t i = 0; i < 3; ++i) {
      if (!has(sets.asked[i], fd) || (entry.revents & kMeaning[i]) == 0) continue;
      sets.found[i][fd / kBits] |= 1ULL << (fd % kBits);
      ++bits;
    }
  }
  return bits;
}

Result<void> copy_out_sets(const FdSets& sets) {
  for (std::size_t i = 0; i < 3; ++i) {
    if (sets.user[i].is_null() || sets.count == 0) continue;
    TRY(mem::copy_out_bytes(sets.user[i].address(), sets.found[i].data(), sets.words() * 8));
  }
  return {};
}

// core_sys_select(). The sets stay as they are when a signal interrupts the call.
Result<long> select_until(Task& task, int count, const std::array<UserFdSet, 3>& user,
                          const Timeout& timeout, const char* what) {
  if (count < 0) return Errno{EINVAL};
  FdSets sets;
  sets.user = user;
  const std::uint64_t largest = std::max<std::uint64_t>(task.process().nofile_soft, kSmallestTable);
  sets.count =
      static_cast<unsigned>(std::min<std::uint64_t>(static_cast<unsigned>(count), largest));
  TRY(copy_in_sets(sets));
  cut_to_table(task, sets);
  PollSet set(task);
  TRY(add_fds(task, sets, set));
  TRY(set.wait(timeout, what));
  const long bits = collect(set, sets);
  TRY(copy_out_sets(sets));
  return bits;
}

bool interrupted(const Result<long>& result) {
  return !result.ok() && result.error() == kRestartNoHand;
}

// poll_select_finish(): what is left is written back; if it can't be, the call can't be restarted.
template <class T>
Result<long> finish(Task& task, const Result<long>& result, UserPtr<T> span,
                    const Timeout& timeout) {
  end_temporary_mask(task, interrupted(result));
  if (span.is_null() || timeout.never_waits) return result;
  const timespec left = to_timespec(nanoseconds_left(task, timeout));
  T value{};
  if constexpr (std::is_same_v<T, timeval>) {
    value = {left.tv_sec, left.tv_nsec / 1000};
  } else {
    value = left;
  }
  const bool written = mem::copy_out(span, value).ok();
  if (!written && interrupted(result)) return Errno{EINTR};
  return result;
}

// Microseconds of a second and more are taken, as in kern_select().
Result<Timeout> read_timeout(Task& task, UserPtr<timeval> span) {
  if (span.is_null()) return Timeout{};
  const timeval value = TRY(mem::copy_in(span));
  constexpr std::int64_t kMicros = 1'000'000;
  const timespec exact{saturating_add(value.tv_sec, value.tv_usec / kMicros),
                       value.tv_usec % kMicros * 1000};
  if (!is_valid(exact)) return Errno{EINVAL};
  return timeout_after(task, to_nanoseconds(exact));
}

}  // namespace

Result<long> sys_select(Task& task, int count, UserFdSet in, UserFdSet out, UserFdSet except,
                        UserPtr<timeval> timeout) {
  const Timeout until = TRY(read_timeout(task, timeout));
  const Result<long> result = select_until(task, count, {in, out, except}, until, "select");
  return finish(task, result, timeout, until);
}

Result<long> sys_pselect6(Task& task, int count, UserFdSet in, UserFdSet out, UserFdSet except,
                          UserPtr<timespec> timeout, UserPtr<const MaskArgument> mask) {
  MaskArgument argument;
  if (!mask.is_null()) argument = TRY(mem::copy_in(mask));
  const Timeout until = TRY(read_timeout(task, timeout));
  TRY(set_temporary_mask(task, UserPtr<const std::uint64_t>(argument.mask), argument.size));
  const Result<long> result = select_until(task, count, {in, out, except}, until, "pselect6");
  return finish(task, result, timeout, until);
}

}  // namespace detent::syscalls

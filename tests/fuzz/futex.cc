// Operations on futexes: kWords words, waiters on workers, everything else on the main thread.
#include <linux/futex.h>

#include "fuzz.h"

namespace fuzz {
namespace {

unsigned pick_word(Rng& rng) { return rng.below(kWords); }

// Mostly the word's value, so that the wait waits.
uint32_t pick_value(Rng& rng, unsigned word) {
  return rng.chance(80) ? __atomic_load_n(&world.words[word], __ATOMIC_SEQ_CST) : rng.below(4);
}

void* pick_address(Call& call, unsigned word) {
  call.say("(word %u", word);
  void* const at = call.pointer(&world.words[word], 4, true);
  if (!call.rng.chance(2)) return at;
  call.say(" unaligned");
  return reinterpret_cast<char*>(&world.words[word]) + 1;
}

uint32_t pick_bits(Rng& rng) {
  return rng.chance(95) ? rng.pick({1U, 2U, 3U, 0x80000000U, ~0U}) : 0;
}

int pick_flags(Rng& rng) { return rng.chance(75) ? FUTEX_PRIVATE_FLAG : 0; }

// Workers wait for ever or for long; the main thread only where the time is up or the call fails.
void wait_any(Call& call) {
  Rng& rng = call.rng;
  const unsigned word = pick_word(rng);
  const bool bitset = rng.chance(50);
  int op = (bitset ? FUTEX_WAIT_BITSET : FUTEX_WAIT) | pick_flags(rng);
  if (rng.chance(bitset ? 20 : 3)) op |= FUTEX_CLOCK_REALTIME;
  void* const at = pick_address(call, word);
  const uint32_t value = pick_value(rng, word);
  const uint32_t bits = bitset ? pick_bits(rng) : rng.below(4);
  timespec timeout = {0, 0};
  const bool infinite = call.thread != 0 && rng.chance(60);
  if (call.thread != 0) {
    timeout.tv_sec = 1000;
    const bool realtime = (op & FUTEX_CLOCK_REALTIME) != 0;
    if (bitset) timeout.tv_sec += now(realtime ? CLOCK_REALTIME : CLOCK_MONOTONIC) / kSecond;
  }
  bool bad = false;
  if (rng.chance(4)) {
    timeout = rng.pick<timespec>({{-1, 0}, {0, -1}, {0, kSecond}});
    bad = true;
  }
  call.say(", op %#x, value %u, bits %#x, %s)", static_cast<unsigned>(op), value, bits,
           infinite ? "for ever"
           : bad    ? "bad time-out"
                    : "time-out");
  call.result(syscall(SYS_futex, at, op, value, infinite ? nullptr : &timeout, nullptr, bits));
}

void wake_any(Call& call) {
  Rng& rng = call.rng;
  const unsigned word = pick_word(rng);
  const bool bitset = rng.chance(50);
  const int op = (bitset ? FUTEX_WAKE_BITSET : FUTEX_WAKE) | pick_flags(rng);
  const int count =
      rng.chance(90) ? static_cast<int>(rng.below(4)) : rng.pick({INT32_MAX, -1, INT32_MIN});
  void* const at = pick_address(call, word);
  const uint32_t bits = bitset ? pick_bits(rng) : 0;
  call.say(", op %#x, count %d, bits %#x)", static_cast<unsigned>(op), count, bits);
  call.result(syscall(SYS_futex, at, op, count, nullptr, nullptr, bits));
}

void requeue_any(Call& call) {
  Rng& rng = call.rng;
  const unsigned from = pick_word(rng), to = pick_word(rng);
  const bool compare = rng.chance(70);
  const int op = (compare ? FUTEX_CMP_REQUEUE : FUTEX_REQUEUE) | pick_flags(rng);
  const int wake = rng.chance(95) ? static_cast<int>(rng.below(3)) : -1;
  const int move = rng.chance(93) ? static_cast<int>(rng.below(3)) : rng.pick({INT32_MAX, -1});
  void* const at = pick_address(call, from);
  const uint32_t value = pick_value(rng, from);
  call.say(", op %#x, wake %d, requeue %d to word %u", static_cast<unsigned>(op), wake, move, to);
  void* const at2 = call.pointer(&world.words[to], 4, true);
  call.say(", value %u)", value);
  call.result(syscall(SYS_futex, at, op, wake, static_cast<long>(move), at2, value));
}

void wake_op_any(Call& call) {
  Rng& rng = call.rng;
  const unsigned first = pick_word(rng), second = pick_word(rng);
  const int op = FUTEX_WAKE_OP | pick_flags(rng);
  const int count = rng.chance(97) ? static_cast<int>(rng.below(3)) : -1;
  const long count2 = rng.below(3);
  unsigned change = rng.below(5), compare = rng.below(6);
  if (rng.chance(6)) change = 5 + rng.below(3);
  if (rng.chance(6)) compare = 6 + rng.below(10);
  if (rng.chance(15)) change |= FUTEX_OP_OPARG_SHIFT;
  const unsigned operand = rng.chance(85) ? rng.below(4) : rng.pick({0xfffU, 0x800U, 31U, 33U});
  const unsigned against = rng.chance(85) ? rng.below(4) : rng.pick({0xfffU, 0x800U});
  const uint32_t encoded = (change << 28) | (compare << 24) | (operand << 12) | against;
  void* const at = pick_address(call, first);
  call.say(", op %#x, wake %d and %ld, word %u", static_cast<unsigned>(op), count, count2, second);
  // With an unknown operation Linux does not come to look at a bad address: docs/limitations.md.
  const bool known = (change & 7) < 5;
  void* const at2 = known ? call.pointer(&world.words[second], 4, true) : &world.words[second];
  call.say(", %#x)", encoded);
  call.result(syscall(SYS_futex, at, op, count, count2, at2, encoded));
  call.say(" word is %#x", world.words[second]);
}

void store_any(Call& call) {
  const unsigned word = pick_word(call.rng);
  const uint32_t value = call.rng.below(4);
  __atomic_store_n(&world.words[word], value, __ATOMIC_SEQ_CST);
  call.say("(word %u, %u)", word, value);
}

void unknown_any(Call& call) {
  const int op = call.rng.pick({2, 14, 15, 127, 0x200, 0x180 | 14});
  call.say("(op %#x)", static_cast<unsigned>(op));
  call.result(syscall(SYS_futex, &world.words[0], op, 0, nullptr, nullptr, 0));
}

constexpr Operation kOperations[] = {
    {"futex_wait", 14, true, wait_any},       {"futex_wait_now", 3, false, wait_any},
    {"futex_wake", 8, false, wake_any},       {"futex_requeue", 6, false, requeue_any},
    {"futex_wake_op", 4, false, wake_op_any}, {"store", 3, false, store_any},
    {"futex_unknown", 1, false, unknown_any},
};

}  // namespace

Family futex_operations() { return {kOperations, sizeof kOperations / sizeof kOperations[0]}; }

}  // namespace fuzz

// What the processes of a session share, at a fixed address in each of them. Only Session and Turns touch it.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "emu/sched/session_unsafe.h"

namespace detent::sched {

struct Session::Slot {
  std::atomic<std::int32_t> pid;         // 0: free; -1: reserved, not named yet
  std::atomic<std::uint32_t> byte_held;  // the process holds the lock on its byte
  std::atomic<std::uint64_t> number;     // of the process, in the order of forks
  std::atomic<std::uint32_t> call;       // futex: changes whenever the process gets its turn
  std::atomic<std::uint32_t> idle;       // nothing to run until `deadline`
  std::atomic<std::uint32_t> waits_for;  // Turns::kOutside, kOrphan
  std::atomic<std::uint32_t> attention;  // a host signal came
  std::atomic<std::uint32_t> stopped;    // by SIGSTOP, as far as is known
  std::atomic<std::uint32_t> lent;       // a child of vfork runs in its memory
  std::atomic<std::int32_t> lender;      // the slot + 1 of the parent of such a child
  std::atomic<std::int64_t> deadline;    // ns; kNever
  std::atomic<std::uint64_t> looked;     // Page::activity at its last look that found nothing
};

struct Session::Page {
  std::atomic<std::int64_t> now;
  std::atomic<std::int64_t> steps;  // of REALTIME by guests, in all; ns
  std::atomic<std::uint64_t> unique;
  std::atomic<std::uint64_t> processes;
  std::atomic<std::uint64_t> hash;
  std::atomic<std::uint32_t> baton;   // 0: nobody's; else Turns::offered() or taken()
  std::atomic<std::uint32_t> waits;   // the holder waits for the outside
  std::atomic<std::int32_t> leaving;  // the slot + 1 of a process that is about to end or stop
  std::atomic<std::uint32_t> leaving_stops;
  std::atomic<std::uint64_t> activity;  // grows whenever something was done that others may see
  std::atomic<std::int32_t> used;       // slots at or above this index were never used
  std::array<Slot, kSlots> slots;
};

}  // namespace detent::sched

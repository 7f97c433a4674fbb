// What the kernel tells the vDSO: the straight line that turns the time stamp counter into MONOTONIC, and
// what the other clocks are ahead of it. C, since the vDSO is; the layout is all that both sides share.
//
// The kernel writes (vdso_clock_unsafe.h), guest threads read; one host thread, so a reader can be
// interrupted in the middle by a writer, but never the other way round. `sequence` is odd or changes
// meanwhile.
#pragma once

#include <stdint.h>

enum { kVdsoPageSize = 4096 };
// The page; the image follows. Behind the ranges of mem/user_copy_unsafe.h.
#define DETENT_VDSO_PAGE 0x7f1000200000ULL

struct VdsoPage {
  uint32_t sequence;
  uint32_t usable;  // 0: every read is a system call
  // ns = base_ns + ((tsc - base_tsc) * mult >> 32), while tsc - base_tsc < ticks (timebase/tsc_line.h).
  uint64_t base_tsc;
  int64_t base_ns;
  uint64_t mult;
  uint64_t ticks;
  int64_t realtime;  // REALTIME - MONOTONIC, ns
  int64_t boottime;  // BOOTTIME - MONOTONIC, ns
};

// The guest's vDSO: clocks without a system call. Freestanding, position-independent, no data of its own. It
// answers what the kernel's adapters in src/syscalls/clock.cc would, or asks them. Source: vdso(7).
#include <stddef.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

#include "emu/vdso/vdso_page.h"

#define EXPORT __attribute__((visibility("default")))
#define ALIAS(name) __attribute__((visibility("default"), alias(#name)))

enum { kNanosPerSecond = 1000000000 };

static long system_call(long number, long first, long second) {
  long result;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(first), "S"(second)
                   : "rcx", "r11", "memory");
  return result;
}

// The fence keeps the counter from being read before what comes first in the program.
static uint64_t read_tsc(void) {
  uint32_t low;
  uint32_t high;
  __asm__ volatile("lfence\n\trdtsc" : "=a"(low), "=d"(high) : : "memory");
  return (uint64_t)high << 32 | low;
}

// The present time of the clock that is `*offset` ahead of MONOTONIC; -1: ask the kernel.
static int64_t read_clock(const volatile int64_t* offset) {
  const volatile struct VdsoPage* page = (const volatile struct VdsoPage*)DETENT_VDSO_PAGE;
  for (;;) {
    const uint32_t sequence = page->sequence;
    const uint64_t ticks = read_tsc() - page->base_tsc;
    if ((sequence & 1) != 0 || page->usable == 0 || ticks >= page->ticks) return -1;
    const unsigned __int128 passed = (unsigned __int128)ticks * page->mult >> 32;
    const int64_t now = page->base_ns + (int64_t)passed + (offset != NULL ? *offset : 0);
    if (page->sequence == sequence) return now;
  }
}

static int64_t read_id(clockid_t id) {
  const volatile struct VdsoPage* page = (const volatile struct VdsoPage*)DETENT_VDSO_PAGE;
  switch (id) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
      return read_clock(&page->realtime);
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_COARSE:
      return read_clock(NULL);
    case CLOCK_BOOTTIME:
      return read_clock(&page->boottime);
    default:
      return -1;
  }
}

EXPORT int __vdso_clock_gettime(clockid_t id, struct timespec* now) {
  const int64_t time = read_id(id);
  if (time < 0) return (int)system_call(SYS_clock_gettime, id, (long)now);
  now->tv_sec = time / kNanosPerSecond;
  now->tv_nsec = time % kNanosPerSecond;
  return 0;
}

EXPORT int __vdso_gettimeofday(struct timeval* now, void* zone) {
  const int64_t time = zone == NULL ? read_id(CLOCK_REALTIME) : -1;
  if (time < 0 || now == NULL) return (int)system_call(SYS_gettimeofday, (long)now, (long)zone);
  now->tv_sec = time / kNanosPerSecond;
  now->tv_usec = time % kNanosPerSecond / 1000;
  return 0;
}

EXPORT time_t __vdso_time(time_t* now) {
  const int64_t time = read_id(CLOCK_REALTIME);
  if (time < 0) return system_call(SYS_time, (long)now, 0);
  if (now != NULL) *now = time / kNanosPerSecond;
  return time / kNanosPerSecond;
}

EXPORT int __vdso_clock_getres(clockid_t id, struct timespec* resolution) {
  return (int)system_call(SYS_clock_getres, id, (long)resolution);
}

// Every task is on processor 0, node 0.
EXPORT long __vdso_getcpu(unsigned* cpu, unsigned* node, void* unused) {
  (void)unused;
  if (cpu != NULL) *cpu = 0;
  if (node != NULL) *node = 0;
  return 0;
}

int clock_gettime(clockid_t, struct timespec*) ALIAS(__vdso_clock_gettime);
int vdso_gettimeofday(struct timeval*, void*) __asm__("gettimeofday") ALIAS(__vdso_gettimeofday);
time_t time(time_t*) ALIAS(__vdso_time);
int clock_getres(clockid_t, struct timespec*) ALIAS(__vdso_clock_getres);
long vdso_getcpu(unsigned*, unsigned*, void*) __asm__("getcpu") ALIAS(__vdso_getcpu);

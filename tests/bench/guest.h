// What the benchmark guests have in common. Each prints one line a figure, "name ns" or a distribution,
// "name ns:count ns:count ...", and takes its count as its only argument.
#pragma once

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static inline int64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static inline long count_argument(int argc, char** argv, long otherwise) {
  return argc > 1 ? atol(argv[1]) : otherwise;
}

static inline void print_each(const char* name, int64_t ns, long count) {
  printf("%s %.1f\n", name, (double)ns / (double)count);
}

// Logarithmic buckets, 32 an octave, of picoseconds.
struct distribution {
  uint64_t counts[60 * 32];
};

static inline void record(struct distribution* all, double ns) {
  const uint64_t ps = ns <= 0 ? 0 : (uint64_t)(ns * 1000 + 0.5);
  const int octave = ps < 32 ? 0 : 58 - __builtin_clzll(ps);  // 32 to 63: 0
  ++all->counts[ps < 32 ? ps : (uint64_t)(octave + 1) * 32 + (ps >> octave) % 32];
}

static inline void print_distribution(const char* name, const struct distribution* all) {
  printf("%s", name);
  for (uint64_t i = 0; i < 60 * 32; ++i) {
    if (all->counts[i] == 0) continue;
    const double low = i < 32 ? (double)i : (double)((32 + i % 32) << (i / 32 - 1));
    printf(" %.3f:%llu", low / 1000, (unsigned long long)all->counts[i]);
  }
  printf("\n");
}

#define REQUIRE(condition)                                            \
  do {                                                                \
    if (!(condition)) {                                               \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
      exit(1);                                                        \
    }                                                                 \
  } while (0)

// What the benchmark guests have in common. Each prints one line "name value" a figure, values in ns
// unless run.py says otherwise, and takes its count as its only argument.
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

#define REQUIRE(condition)                                            \
  do {                                                                \
    if (!(condition)) {                                               \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
      exit(1);                                                        \
    }                                                                 \
  } while (0)

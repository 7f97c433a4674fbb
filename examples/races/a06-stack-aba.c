// A06: Treiber's lock-free stack, whose nodes are used again.
//
// Seen: free lists; the reason for tagged pointers and hazard pointers.
// Bug:
//       one                                other
//       pop: sees A, and B below it
//                                          pops A
//                                          pops B
//                                          pushes A
//       A is at the top, as seen:
//       the top becomes B, which the other has
//
// Oracle: somebody gets a node that somebody has.
// Fix: the top carries a count of changes.
#include "race.h"

#define NODES 3
#define ROUNDS 3
#define NONE 0xffffffffu

struct node {
  _Atomic uint32_t next;
  atomic_bool taken;
};
static struct node nodes[NODES];
static _Atomic uint64_t top;  // number of the node, and in the fixed version a count above it

static uint64_t changed(uint64_t old, uint32_t node) {
#ifdef FIXED
  return ((old >> 32) + 1) << 32 | node;
#else
  (void)old;
  return node;
#endif
}

static void push(uint32_t node) {
  atomic_store(&nodes[node].taken, false);
  uint64_t seen = atomic_load(&top);
  do atomic_store_explicit(&nodes[node].next, (uint32_t)seen, memory_order_relaxed);
  while (!atomic_compare_exchange_weak(&top, &seen, changed(seen, node)));
}

static uint32_t pop(void) {
  uint64_t seen = atomic_load(&top);
  for (;;) {
    const uint32_t node = (uint32_t)seen;
    if (node == NONE) return NONE;
    const uint32_t next = atomic_load_explicit(&nodes[node].next, memory_order_relaxed);
    if (!atomic_compare_exchange_weak(&top, &seen, changed(seen, next))) continue;
    check(!atomic_exchange(&nodes[node].taken, true), "a node was popped twice");
    return node;
  }
}

static void* worker(void* unused) {
  for (int round = 0; round < ROUNDS; ++round) {
    const uint32_t a = pop(), b = pop();
    if (a != NONE) push(a);
    if (b != NONE) push(b);
  }
  return unused;
}

int main(void) {
  atomic_store(&top, NONE);
  for (uint32_t node = 0; node < NODES; ++node) push(node);
  const pthread_t one = start(worker, NULL), other = start(worker, NULL);
  join(one);
  join(other);
  return 0;
}

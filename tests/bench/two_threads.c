// The smallest guest with something to choose: two threads that hand a futex word to and fro four times.
#include "guest.h"

#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/futex.h>

static uint32_t turn;

static void* take_turns(void* which) {
  const uint32_t mine = (uint32_t)(uintptr_t)which;
  for (int i = 0; i < 4; ++i) {
    while (__atomic_load_n(&turn, __ATOMIC_ACQUIRE) != mine) {
      syscall(SYS_futex, &turn, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, !mine, NULL, NULL, 0);
    }
    __atomic_store_n(&turn, !mine, __ATOMIC_RELEASE);
    syscall(SYS_futex, &turn, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, NULL, NULL, 0);
  }
  return NULL;
}

int main(void) {
  pthread_t thread;
  REQUIRE(pthread_create(&thread, NULL, take_turns, (void*)1) == 0);
  take_turns((void*)0);
  REQUIRE(pthread_join(thread, NULL) == 0);
  return 0;
}

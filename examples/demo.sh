#!/usr/bin/env bash
# The demonstration behind `./dev run`. DETENT names the binary.
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
detent=${DETENT:-$root/build/detent}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

say() { printf '\n# %s\n' "$*"; }

# Runs "$@" and prints how long that took here.
timed() {
  local start=${EPOCHREALTIME/./}
  "$@"
  printf '  -> %d ms on this machine\n' $(((${EPOCHREALTIME/./} - start) / 1000))
}

cat >"$work/hours.c" <<'GUEST'
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

// Three threads: one sleeps, one reads a timerfd, one waits for a condition with a time-out.
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t never = PTHREAD_COND_INITIALIZER;

static void *sleeper(void *unused) {
  sleep(3600);
  puts("  a sleep of one hour is over");
  return unused;
}

static void *ticker(void *unused) {
  int timer = timerfd_create(CLOCK_MONOTONIC, 0);
  struct itimerspec each = {{1800, 0}, {1800, 0}};
  uint64_t ticks = 0;
  timerfd_settime(timer, 0, &each, NULL);
  for (int i = 0; i < 5; ++i) {
    if (read(timer, &ticks, sizeof(ticks)) != sizeof(ticks)) return unused;
    printf("  timerfd: half hour %d\n", i + 1);
  }
  return unused;
}

static void *waiter(void *unused) {
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_sec += 2 * 3600;
  pthread_mutex_lock(&lock);
  int error = pthread_cond_timedwait(&never, &lock, &until);
  pthread_mutex_unlock(&lock);
  printf("  a condition was waited for in vain for two hours (error %d)\n", error);
  return unused;
}

int main(void) {
  void *(*bodies[])(void *) = {sleeper, ticker, waiter};
  struct timespec from, to;
  pthread_t threads[3];
  clock_gettime(CLOCK_MONOTONIC, &from);
  for (int i = 0; i < 3; ++i) pthread_create(&threads[i], NULL, bodies[i], NULL);
  for (int i = 0; i < 3; ++i) pthread_join(threads[i], NULL);
  clock_gettime(CLOCK_MONOTONIC, &to);
  printf("  the program's own clock says: %ld s\n", (long)(to.tv_sec - from.tv_sec));
  return 0;
}
GUEST

cat >"$work/race.c" <<'GUEST'
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>

// Four threads race for a mutex; the line shows who got it when.
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char order[41];
static int used;

static void *racer(void *name) {
  for (int i = 0; i < 10; ++i) {
    pthread_mutex_lock(&lock);
    order[used++] = (char)(intptr_t)name;
    pthread_mutex_unlock(&lock);
    sched_yield();
  }
  return NULL;
}

int main(void) {
  pthread_t threads[4];
  for (intptr_t i = 0; i < 4; ++i) pthread_create(&threads[i], NULL, racer, (void *)('A' + i));
  for (int i = 0; i < 4; ++i) pthread_join(threads[i], NULL);
  puts(order);
  return 0;
}
GUEST

for program in hours race; do
  gcc -O1 -pthread "$work/$program.c" -o "$work/$program-glibc"
  musl-gcc -O1 -static "$work/$program.c" -o "$work/$program-musl"
done

say "Hours of timers in virtual time: glibc, dynamic"
timed "$detent" run --time=virtual -- "$work/hours-glibc"
say "The same program with musl, static"
timed "$detent" run --time=virtual -- "$work/hours-musl"
say "/bin/sleep from this machine, for a week"
timed "$detent" run --time=virtual -- /bin/sleep 7d

# race FLAVOUR SEED TRACE: one run of the racing threads, its trace in a file.
race() {
  "$detent" run --time=virtual --strategy=random --seed="$2" --strace="$work/$3" \
    --strace-deterministic -- "$work/race-$1"
}

for flavour in glibc musl; do
  say "Four threads race for a mutex ($flavour). Seed 7, twice:"
  race "$flavour" 7 first
  race "$flavour" 7 second
  cmp "$work/first" "$work/second"
  echo "  the two traces of $(wc -l <"$work/first") system calls are equal, byte for byte"
  echo "# Seeds 8 and 9 give other orders:"
  race "$flavour" 8 third
  race "$flavour" 9 fourth
done

say "The first lines of thread two in that trace"
grep -m 4 'task 2 ' "$work/first"

#include "bench/catalogue.h"

namespace detent::bench {
namespace {

constexpr Figure kCalls[] = {
    {"getppid", "host call passed on (getppid)", 0},
    {"gettid", "emulated call (gettid)", 15},
    {"futex_wake", "futex wake, no waiter", 15},
    {"futex_stale", "futex wait, stale value", 15},
    {"eventfd_again", "eventfd read, EAGAIN", 15},
    {"eventfd_write_read", "eventfd write + read", 30},
    {"epoll_wait_ready", "epoll_wait(0), one ready", 40},
    {"poll_ready", "poll, one ready", 0},
    {"sched_yield", "sched_yield, alone", 0},
    {"timerfd_settime", "timerfd_settime, re-arm", 40},
    {"file_read", "read of 1 byte of a file", 0},
    {"clock_gettime", "clock_gettime(MONOTONIC)", 27},
};
constexpr Figure kHandoffs[] = {
    {"futex_handoff", "futex hand-off, one way", 80},
    {"futex_wake_to_run", "futex, wake to run", 0},
    {"condvar_handoff", "condvar hand-off, glibc", 200},
    {"semaphore_handoff", "semaphore hand-off, glibc", 0},
    {"eventfd_handoff", "eventfd hand-off", 200},
    {"eventfd_wake_to_run", "eventfd, wake to run", 0},
    {"epoll_handoff", "eventfd, epoll, read hand-off", 200},
    {"pipe_handoff", "pipe, epoll, read hand-off", 0},
    {"yield_switch", "task switch (sched_yield)", 0},
};
constexpr Figure kWaiters[] = {
    {"futex_wait_stale", "futex wait, stale value, in a loop", 0},
    {"wake_1", "futex wake of 1", 0},
    {"wake_8", "futex wake of 8", 0},
    {"wake_64", "futex wake of 64", 0},
    {"wake_1000", "futex wake of 1,000", 0},
    {"wake_to_run_1", "wake of 1 until it has run", 0},
    {"wake_to_run_8", "wake of 8 until all have run", 0},
    {"wake_to_run_64", "wake of 64 until all have run", 0},
    {"wake_to_run_1000", "wake of 1,000 until all have run", 0},
    {"requeue_1", "futex requeue of 1", 0},
    {"requeue_8", "futex requeue of 8", 0},
    {"requeue_64", "futex requeue of 64", 0},
    {"requeue_1000", "futex requeue of 1,000", 0},
    {"epoll_add_1", "epoll add, 1 member", 0},
    {"epoll_mod_1", "epoll mod, 1 member", 0},
    {"epoll_event_1", "epoll event, 1 member", 0},
    {"epoll_add_1000", "epoll add, 1,000 members", 0},
    {"epoll_mod_1000", "epoll mod, 1,000 members", 0},
    {"epoll_event_1000", "epoll event, 1,000 members", 0},
    {"epoll_add_100000", "epoll add, 100,000 members", 0},
    {"epoll_mod_100000", "epoll mod, 100,000 members", 0},
    {"epoll_event_100000", "epoll event, 100,000 members", 0},
};
constexpr Figure kHandoffsMusl[] = {
    {"condvar_handoff_musl", "condvar hand-off, musl static", 200},
    {"semaphore_handoff_musl", "semaphore hand-off, musl static", 0},
};
constexpr Figure kProcesses[] = {
    {"fork_wait", "fork + exit + wait", 0},
    {"thread_create_join", "thread create + join", 3000},
};
constexpr Figure kLateness[] = {{"timerfd_late", "1 ms timerfd, lateness", 0}};
constexpr Figure kStartUp[] = {{"start_up", "start-up of /bin/true", 0}};
constexpr Figure kSchedules[] = {{"schedule", "explore: a schedule (native: a spawn)", 500'000}};
constexpr Figure kQueues[] = {
    {"timer_rearm_1", "timer queue: re-arm, 1 timer", 0},
    {"timer_rearm_1k", "timer queue: re-arm, 1,000 timers", 40},
    {"timer_rearm_1m", "timer queue: re-arm, 1 million", 250},
    {"timer_expire_1", "timer queue: expire + arm, 1 timer", 0},
    {"timer_expire_1k", "timer queue: expire + arm, 1,000", 0},
    {"timer_expire_1m", "timer queue: expire + arm, 1 million", 0},
    {"futex_wake_1", "futex table: wake + wait, 1 futex", 0},
    {"futex_wake_1k", "futex table: wake + wait, 1,000", 0},
    {"futex_wake_1m", "futex table: wake + wait, 1 million", 0},
};
constexpr Figure kVirtualTimers[] = {{"virtual_timer", "timerfd armed to read, virtual time", 0}};

constexpr Guest kGuests[] = {
    {Kind::kGuest, "bench-calls", 100'000, 200, kCalls},
    {Kind::kGuest, "bench-handoff", 20'000, 20, kHandoffs},
    {Kind::kGuest, "bench-handoff-musl", 20'000, 20, kHandoffsMusl},
    {Kind::kGuest, "bench-waiters", 10'000, 20, kWaiters},
    {Kind::kGuest, "bench-processes", 200, 3, kProcesses},
    {Kind::kGuest, "bench-lateness", 1'000, 20, kLateness},
    {Kind::kWall, "/bin/true", 20, 1, kStartUp},
    {Kind::kSchedules, "bench-two-threads", 1'000, 10, kSchedules},
    {Kind::kLibrary, "bench-queues", 100'000, 200, kQueues},
    {Kind::kVirtual, "bench-timers", 10'000, 100, kVirtualTimers},
};

}  // namespace

std::span<const Guest> guests() { return kGuests; }

}  // namespace detent::bench

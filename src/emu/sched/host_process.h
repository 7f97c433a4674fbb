// What the host tells of another process, by its pid.
#pragma once

#include <atomic>
#include <cstdint>

namespace detent::sched {

enum class Life { kRunning, kSleeping, kStopped, kGone };
/// How `pid` is now. A zombie is gone.
Life life_of(int pid);

/// Returns once the end of `pid`, which is certain to come, can be seen by all: its files are closed, and its
/// parent has its signal. Returns before that if it was stopped on the way, and after half a minute.
void await_end(int pid);
/// Returns once `pid`, to which SIGSTOP was sent, has stopped and its parent has its signal; or has ended, or
/// made `stops` zero.
void await_stop(int pid, const std::atomic<std::uint32_t>& stops);
/// Returns once `pid` sleeps or is gone: it has seen a SIGCONT.
void await_sleep(int pid);

}  // namespace detent::sched

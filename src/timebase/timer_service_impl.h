// What TimerService and HrTimerBase share. All of it is guarded by `mutex`, except while a callback runs.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "detent/assert.h"
#include "detent/hrtimer.h"
#include "timebase/clock_set.h"
#include "timebase/timer_queue.h"
#include "timebase/virtual_clock.h"

namespace detent {

class TimerService::Impl {
 public:
  Impl(std::unique_ptr<timebase::ClockSource> new_source, timebase::VirtualClock* new_virtual_clock,
       Instant<Realtime> realtime, Instant<Boottime> boottime);

  std::size_t fire(std::unique_lock<std::mutex>& lock);
  bool step(std::unique_lock<std::mutex>& lock, std::optional<Instant<Monotonic>> end);

  /// Says for its life that the calling thread drives; first waits until no other one does.
  class Driving {
   public:
    Driving(Impl& impl, std::unique_lock<std::mutex>& lock) : impl_(impl) {
      DETENT_ASSERT(impl.driver != std::this_thread::get_id());  // a callback must not drive
      impl.changed.wait(lock, [&] { return impl.driver == std::thread::id(); });
      impl.driver = std::this_thread::get_id();
    }
    ~Driving() {
      impl_.driver = {};
      impl_.changed.notify_all();
    }
    Driving(const Driving&) = delete;
    Driving& operator=(const Driving&) = delete;

   private:
    Impl& impl_;
  };

  std::mutex mutex;
  /// A timer was armed, a callback ended, a driver stopped, a clock moved.
  std::condition_variable changed;
  std::unique_ptr<timebase::ClockSource> source;
  timebase::VirtualClock* virtual_clock;
  timebase::ClockSet clocks;
  timebase::TimerQueue queue;
  std::thread::id driver;
  std::unique_lock<std::mutex>* firing = nullptr;  // the driver's, while it fires
  HrTimerBase* running = nullptr;
  std::vector<std::shared_ptr<void>>
      let_go;  // owners of timers that ended, to be released without the lock
};

}  // namespace detent

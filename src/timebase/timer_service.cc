#include "detent/timer_service.h"

#include <algorithm>
#include <chrono>
#include <optional>

#include "detent/assert.h"
#include "timebase/timer_service_impl.h"
#include "timebase/tsc_clock_unsafe.h"

namespace detent {

using timebase::Base;

namespace {

std::unique_ptr<timebase::ClockSource> host_clock() {
  if (timebase::TscClock::available()) return std::make_unique<timebase::TscClock>();
  return std::make_unique<timebase::HostClock>();
}

}  // namespace

TimerService::Impl::Impl(std::unique_ptr<timebase::ClockSource> new_source,
                         timebase::VirtualClock* new_virtual_clock, Instant<Realtime> realtime,
                         Instant<Boottime> boottime)
    : source(std::move(new_source)),
      virtual_clock(new_virtual_clock),
      clocks(*source, realtime, boottime),
      queue(clocks) {}

// Fires what is due; `lock` is given up while callbacks run (HrTimerBase::on_expire).
std::size_t TimerService::Impl::fire(std::unique_lock<std::mutex>& lock) {
  firing = &lock;
  const std::size_t fired = queue.expire(clocks.monotonic());
  firing = nullptr;
  changed.notify_all();
  std::vector<std::shared_ptr<void>> ended = std::move(let_go);
  let_go.clear();
  lock.unlock();
  ended.clear();  // owners' destructors may call us
  lock.lock();
  return fired;
}

// One step of driving: fires what is due at the next deadline, or at `end` if that is earlier. False if
// there is neither.
bool TimerService::Impl::step(std::unique_lock<std::mutex>& lock,
                              std::optional<Instant<Monotonic>> end) {
  std::optional<Instant<Monotonic>> next = queue.next_deadline();
  if (next == Instant<Monotonic>::max()) next.reset();
  if (end) next = std::min(next.value_or(*end), *end);
  if (!next) return false;
  if (virtual_clock != nullptr) {
    virtual_clock->advance_to(*next);
  } else if (const Duration left = clocks.source().host_time_until(*next); left > Duration()) {
    changed.wait_for(lock, std::chrono::nanoseconds(left.ns()));
  }
  fire(lock);
  return true;
}

TimerService::TimerService(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TimerService::~TimerService() = default;

std::unique_ptr<TimerService> TimerService::with_virtual_time(Instant<Monotonic> start) {
  auto clock = std::make_unique<timebase::VirtualClock>(start);
  timebase::VirtualClock* const virtual_clock = clock.get();
  auto impl = std::make_unique<Impl>(std::move(clock), virtual_clock,
                                     Instant<Realtime>::from_ns(start.ns()),
                                     Instant<Boottime>::from_ns(start.ns()));
  return std::unique_ptr<TimerService>(new TimerService(std::move(impl)));
}

std::unique_ptr<TimerService> TimerService::with_real_time() {
  auto impl = std::make_unique<Impl>(host_clock(), nullptr, timebase::host_realtime(),
                                     timebase::host_boottime());
  return std::unique_ptr<TimerService>(new TimerService(std::move(impl)));
}

std::int64_t TimerService::read(Base base) {
  const std::lock_guard lock(impl_->mutex);
  return impl_->clocks.now(base);
}

std::size_t TimerService::armed() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->queue.size();
}

std::size_t TimerService::run_due() {
  std::unique_lock lock(impl_->mutex);
  const Impl::Driving driving(*impl_, lock);
  return impl_->fire(lock);
}

bool TimerService::run_next() {
  std::unique_lock lock(impl_->mutex);
  const Impl::Driving driving(*impl_, lock);
  return impl_->step(lock, std::nullopt);
}

void TimerService::run_until(Instant<Monotonic> end) {
  std::unique_lock lock(impl_->mutex);
  const Impl::Driving driving(*impl_, lock);
  do {
    impl_->step(lock, end);
  } while (impl_->clocks.monotonic() < end);
}

bool TimerService::run_while_not(const std::function<bool()>& done) {
  std::unique_lock lock(impl_->mutex);
  while (!done()) {
    if (impl_->driver != std::thread::id()) {
      DETENT_ASSERT(impl_->driver != std::this_thread::get_id());  // a callback must not wait
      impl_->changed.wait(lock);
      continue;
    }
    const Impl::Driving driving(*impl_, lock);
    if (!impl_->step(lock, std::nullopt)) return done();
  }
  return true;
}

void TimerService::step_realtime(Duration by) {
  const std::lock_guard lock(impl_->mutex);
  impl_->clocks.step_realtime(by);
  impl_->changed.notify_all();
}

void TimerService::suspend(Duration length) {
  const std::lock_guard lock(impl_->mutex);
  impl_->clocks.suspend(length);
  impl_->changed.notify_all();
}

}  // namespace detent

#include "detent/hrtimer.h"

#include <algorithm>

#include "timebase/setting.h"
#include "timebase/timer_service_impl.h"

namespace detent {

using timebase::Base;

HrTimerBase::~HrTimerBase() { DETENT_ASSERT(!is_armed() && !is_running()); }

bool HrTimerBase::is_armed() const {
  const std::lock_guard lock(service_.impl_->mutex);
  return Timer::armed();
}

bool HrTimerBase::is_running() const {
  const std::lock_guard lock(service_.impl_->mutex);
  return service_.impl_->running == this;
}

Duration HrTimerBase::remaining() const {
  const std::lock_guard lock(service_.impl_->mutex);
  return Duration::nanoseconds(saturating_sub(expiry_, service_.impl_->clocks.now(runs_on_)));
}

std::int64_t HrTimerBase::expiry_on(Base clock) const {
  const std::lock_guard lock(service_.impl_->mutex);
  timebase::ClockSet& clocks = service_.impl_->clocks;
  return saturating_add(expiry_, saturating_sub(clocks.offset(clock), clocks.offset(runs_on_)));
}

void HrTimerBase::start_at(Base base, std::int64_t when, std::shared_ptr<void> keep) {
  start(base, when, std::move(keep));
}

void HrTimerBase::start_in(Base base, Duration span, std::shared_ptr<void> keep) {
  const Base on = base == Base::kRealtime ? Base::kMonotonic : base;
  start(on, saturating_add(service_.read(on), span.ns()), std::move(keep));
}

// The old owner, if the timer had one, ends behind the lock: its destructor may call us.
void HrTimerBase::start(Base base, std::int64_t when, std::shared_ptr<void> keep) {
  TimerService::Impl& impl = *service_.impl_;
  const std::lock_guard lock(impl.mutex);
  runs_on_ = base;
  expiry_ = when;
  if (keep != nullptr) keep_.swap(keep);
  impl.queue.arm(*this, base, when);
  impl.changed.notify_all();
}

//   driver                                   another thread
//   running = this, unlocks, call() ...      cancel(): disarms; running: waits
//   locks, kRestart: arms, running = null    wakes: armed again: disarms; not running: done
bool HrTimerBase::cancel() {
  TimerService::Impl& impl = *service_.impl_;
  std::shared_ptr<void> ended;
  std::unique_lock lock(impl.mutex);
  bool was_active = false;
  for (;;) {
    was_active = was_active || Timer::armed() || impl.running == this;
    impl.queue.cancel(*this);
    if (impl.running != this) break;
    DETENT_ASSERT(impl.driver !=
                  std::this_thread::get_id());  // its own callback would wait for itself
    impl.changed.wait(lock);
  }
  ended.swap(keep_);
  lock.unlock();
  return was_active;
}

TryCancel HrTimerBase::try_cancel() {
  TimerService::Impl& impl = *service_.impl_;
  std::shared_ptr<void> ended;
  const std::lock_guard lock(impl.mutex);
  const bool was_armed = Timer::armed();
  impl.queue.cancel(*this);
  if (impl.running == this) return TryCancel::kRunning;
  ended.swap(keep_);
  return was_armed ? TryCancel::kCancelled : TryCancel::kInactive;
}

std::uint64_t HrTimerBase::forward_to(Base clock, std::int64_t now, Duration interval) {
  const std::lock_guard lock(service_.impl_->mutex);
  DETENT_ASSERT(!Timer::armed());
  timebase::ClockSet& clocks = service_.impl_->clocks;
  const std::int64_t shift = saturating_sub(clocks.offset(runs_on_), clocks.offset(clock));
  const timebase::Setting setting{expiry_, std::max<std::int64_t>(interval.ns(), 1), true};
  const timebase::Setting::Advance advanced = setting.advance(saturating_add(now, shift));
  expiry_ = advanced.setting.next;
  return advanced.expirations;
}

// Called by TimerQueue::expire() with the driver's lock held.
void HrTimerBase::on_expire() {
  TimerService::Impl& impl = *service_.impl_;
  impl.running = this;
  impl.firing->unlock();
  const HrTimerRestart restart = call();
  impl.firing->lock();
  impl.running = nullptr;
  if (restart == HrTimerRestart::kRestart && !Timer::armed()) {
    impl.queue.arm(*this, runs_on_, expiry_);
  }
  if (!Timer::armed() && keep_ != nullptr) impl.let_go.push_back(std::move(keep_));
  impl.changed.notify_all();
}

void HrSleeper::start(Instant<Monotonic> when) {
  handle_.reset();
  fired_ = false;
  handle_.emplace(timer_.start(when));
}

bool HrSleeper::fired() const { return fired_; }

bool HrSleeper::wait() {
  return service_.run_while_not([this] { return fired_.load(); });
}

HrTimerRestart HrSleeper::on_timer(HrTimerCall<Monotonic>&) {
  fired_ = true;
  return HrTimerRestart::kNoRestart;
}

}  // namespace detent

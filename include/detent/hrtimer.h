// HrTimer: a high-resolution timer that is a member of its owner and calls one of the owner's functions.
//
//   struct Watchdog {
//     explicit Watchdog(TimerService& service) : timer(service, *this) {}
//     HrTimerRestart on_timer(HrTimerCall<Monotonic>& call) {
//       call.forward_now(Duration::seconds(1));
//       return HrTimerRestart::kRestart;
//     }
//     HrTimer<&Watchdog::on_timer, Monotonic> timer;  // behind the function that it names
//   };
//   Watchdog dog(*service);
//   auto handle = dog.timer.start_after(Duration::seconds(1));  // runs until `handle` dies
//
// Life of a timer:
//
//   inactive --start--> armed --due--> running --kNoRestart--> inactive
//      ^                  |               |-----kRestart-----> armed, at expires()
//      +----- cancel -----+---------------+
//
// Rules:
//  - A timer lives longer than every handle to it, and neither moves nor dies while it is armed or
//    running. A handle ends both: its destruction cancels, and waits for a callback that is running on
//    another thread. So a handle declared behind the owner is enough; start_shared() is for owners that
//    end elsewhere.
//  - A callback may start, cancel and destroy *other* timers. Of its own it must not wait: cancel() and
//    a handle's end inside the timer's own callback are a bug that is asserted; use kNoRestart or
//    try_cancel().
//  - Units are ns, in Instant and Duration. An instant in the past is due at once. Instant::max() is
//    never due.
//
// Source of the contract: Linux's hrtimer (include/linux/hrtimer.h, kernel/time/hrtimer.c). Example:
// examples/watchdog.cc.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "detent/assert.h"
#include "detent/timer.h"
#include "detent/timer_service.h"

namespace detent {

enum class HrTimerRestart : std::uint8_t { kNoRestart, kRestart };

enum class TryCancel : std::uint8_t {
  kInactive,   ///< it was neither armed nor running
  kCancelled,  ///< it was armed and is not any more
  kRunning,    ///< its callback runs, and may arm it again
};

/// What all timers have, whatever they call.
class HrTimerBase : private timebase::Timer {
 public:
  /// It will fire, unless cancelled. Both may be true: a callback may arm its own timer.
  [[nodiscard]] bool is_armed() const;
  [[nodiscard]] bool is_running() const;
  /// Time until the expiry; negative if that is past (hrtimer_get_remaining()). Meaningless before the
  /// first start.
  [[nodiscard]] Duration remaining() const;
  /// Disarms, and waits until the callback does not run. True if it was armed or running.
  bool cancel();
  /// Disarms without waiting.
  TryCancel try_cancel();

 protected:
  explicit HrTimerBase(TimerService& service) : service_(service) {}
  ~HrTimerBase() override;
  virtual HrTimerRestart call() = 0;

  /// An armed timer is moved. `keep`: held until the timer is inactive.
  void start_at(timebase::Base base, std::int64_t when, std::shared_ptr<void> keep);
  void start_in(timebase::Base base, Duration span, std::shared_ptr<void> keep);
  /// `now` on `clock`.
  std::uint64_t forward_to(timebase::Base clock, std::int64_t now, Duration interval);
  [[nodiscard]] std::int64_t expiry_on(timebase::Base clock) const;
  [[nodiscard]] TimerService& service() const { return service_; }

 private:
  template <class Clock>
  friend class HrTimerCall;

  void on_expire() final;
  void start(timebase::Base base, std::int64_t when, std::shared_ptr<void> keep);

  TimerService& service_;
  timebase::Base runs_on_ = timebase::Base::kMonotonic;
  std::int64_t expiry_ = 0;
  std::shared_ptr<void> keep_;
};

/// What a callback gets: its timer, as far as a callback may touch it.
template <class Clock>
class HrTimerCall {
 public:
  [[nodiscard]] Instant<Clock> now() const { return timer_.service().template now<Clock>(); }
  /// The instant the timer was due.
  [[nodiscard]] Instant<Clock> expires() const {
    return Instant<Clock>::from_ns(timer_.expiry_on(timebase::kBaseOf<Clock>));
  }
  /// Moves the expiry along its grid until it is after `now`, for kRestart. Returns by how many
  /// intervals: more than 1 tells a late callback what it missed. An interval below 1 ns counts as 1 ns
  /// (hrtimer_forward()).
  std::uint64_t forward(Instant<Clock> now, Duration interval) {
    return timer_.forward_to(timebase::kBaseOf<Clock>, now.ns(), interval);
  }
  std::uint64_t forward_now(Duration interval) { return forward(now(), interval); }

 private:
  template <auto Callback, class C>
  friend class HrTimer;
  explicit HrTimerCall(HrTimerBase& timer) : timer_(timer) {}
  HrTimerBase& timer_;
};

/// A started timer: cancels it when it dies, and waits for its callback. Moves; one handle a start.
template <class Owner>
class [[nodiscard]] HrTimerHandle {
 public:
  HrTimerHandle(HrTimerBase& timer, Owner& owner) : timer_(&timer), owner_(&owner) {}
  HrTimerHandle(HrTimerHandle&& other) noexcept
      : timer_(std::exchange(other.timer_, nullptr)), owner_(other.owner_) {}
  HrTimerHandle& operator=(HrTimerHandle&& other) noexcept {
    if (this != &other) {
      // A newer start of the same timer goes on.
      if (timer_ != nullptr && timer_ != other.timer_) timer_->cancel();
      timer_ = std::exchange(other.timer_, nullptr);
      owner_ = other.owner_;
    }
    return *this;
  }
  ~HrTimerHandle() {
    if (timer_ != nullptr) timer_->cancel();
  }

  bool cancel() { return timer().cancel(); }
  TryCancel try_cancel() { return timer().try_cancel(); }
  [[nodiscard]] HrTimerBase& timer() const {
    DETENT_ASSERT(timer_ != nullptr);  // moved from
    return *timer_;
  }
  /// The object that the timer is a member of.
  [[nodiscard]] Owner& target() const { return *owner_; }

 private:
  template <class O>
  friend class SharedHrTimerHandle;
  HrTimerBase* timer_;
  Owner* owner_;
};

/// The handle of a timer that shares its owner. It may be leaked.
template <class Owner>
class [[nodiscard]] SharedHrTimerHandle {
 public:
  SharedHrTimerHandle(HrTimerBase& timer, std::shared_ptr<Owner> owner)
      : owner_(std::move(owner)), handle_(timer, *owner_) {}

  bool cancel() { return handle_.cancel(); }
  TryCancel try_cancel() { return handle_.try_cancel(); }
  [[nodiscard]] HrTimerBase& timer() const { return handle_.timer(); }
  [[nodiscard]] Owner& target() const { return *owner_; }
  /// Lets the timer run on without a handle. It keeps its owner alive until it is inactive, so that
  /// nothing dangles.
  void leak() && {
    handle_.timer_ = nullptr;
    owner_.reset();
  }

 private:
  std::shared_ptr<Owner> owner_;  // ends after the handle
  HrTimerHandle<Owner> handle_;
};

namespace internal {
template <class F>
struct CallbackOf;
template <class O, class C>
struct CallbackOf<HrTimerRestart (O::*)(HrTimerCall<C>&)> {
  using Owner = O;
};
}  // namespace internal

/// `Callback`: a member function of the owner, `HrTimerRestart f(HrTimerCall<Clock>&)`.
template <auto Callback, class Clock = Monotonic>
class HrTimer final : public HrTimerBase {
 public:
  using Owner = typename internal::CallbackOf<decltype(Callback)>::Owner;
  using Handle = HrTimerHandle<Owner>;
  using SharedHandle = SharedHrTimerHandle<Owner>;

  /// Both outlive the timer; it is a member of `owner`.
  HrTimer(TimerService& service, Owner& owner) : HrTimerBase(service), owner_(owner) {}

  /// Absolute: follows steps of its clock.
  Handle start(Instant<Clock> when) {
    start_at(timebase::kBaseOf<Clock>, when.ns(), nullptr);
    return Handle(*this, owner_);
  }
  /// Relative. On REALTIME it runs on MONOTONIC: steps do not change it (hrtimer_setup()).
  Handle start_after(Duration span) {
    start_in(timebase::kBaseOf<Clock>, span, nullptr);
    return Handle(*this, owner_);
  }
  /// The same, for an owner that `owner` holds: the timer keeps it alive while it is armed or running.
  SharedHandle start_shared(std::shared_ptr<Owner> owner, Instant<Clock> when) {
    DETENT_ASSERT(owner.get() == &owner_);
    start_at(timebase::kBaseOf<Clock>, when.ns(), owner);
    return SharedHandle(*this, std::move(owner));
  }
  SharedHandle start_shared_after(std::shared_ptr<Owner> owner, Duration span) {
    DETENT_ASSERT(owner.get() == &owner_);
    start_in(timebase::kBaseOf<Clock>, span, owner);
    return SharedHandle(*this, std::move(owner));
  }
  /// For timers on the stack: armed while body() runs, inactive when this returns. There is no handle
  /// to lose.
  template <class Body>
  auto scoped(Instant<Clock> when, Body body) {
    const Handle handle = start(when);
    return body();
  }

  /// The instant it will fire, or was due last.
  [[nodiscard]] Instant<Clock> expires() const {
    return Instant<Clock>::from_ns(expiry_on(timebase::kBaseOf<Clock>));
  }
  /// As HrTimerCall::forward(), for a timer that is inactive.
  std::uint64_t forward(Instant<Clock> now, Duration interval) {
    return forward_to(timebase::kBaseOf<Clock>, now.ns(), interval);
  }

 private:
  HrTimerRestart call() override {
    HrTimerCall<Clock> call(*this);
    return (owner_.*Callback)(call);
  }
  Owner& owner_;
};

/// Waits for an instant, as hrtimer_sleeper does: start it, look at fired() or wait().
class HrSleeper {
 public:
  explicit HrSleeper(TimerService& service) : service_(service), timer_(service, *this) {}
  ~HrSleeper() = default;
  HrSleeper(const HrSleeper&) = delete;
  HrSleeper& operator=(const HrSleeper&) = delete;

  /// Starts anew.
  void start(Instant<Monotonic> when);
  [[nodiscard]] bool fired() const;
  /// Returns when it has fired, driving the service if nobody else does. False if it was never started, was
  /// cancelled, or sleeps for ever with no other timer that could change that.
  bool wait();
  void cancel() { timer_.cancel(); }

 private:
  HrTimerRestart on_timer(HrTimerCall<Monotonic>&);
  TimerService& service_;
  std::atomic<bool> fired_ = false;
  HrTimer<&HrSleeper::on_timer> timer_;
  std::optional<HrTimerHandle<HrSleeper>> handle_;
};

}  // namespace detent

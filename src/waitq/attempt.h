// Attempt<T>: what one try of a call that may block yields: a value, an errno, or Blocked. Blocking
// is a returned value; the only loop that waits and tries again is emu/sched/block.h.
#pragma once

#include <utility>
#include <variant>

#include "detent/result.h"
#include "waitq/wait_queue.h"

namespace detent::waitq {

/// "Not now: try again after `queue` has notified one of `events`."
struct Blocked {
  WaitQueue* queue;
  PollMask events;
};

template <class T>
class [[nodiscard]] Attempt {
 public:
  Attempt(T value) : state_(std::move(value)) {}  // NOLINT: implicit by design
  Attempt(Errno error) : state_(error) {}         // NOLINT: implicit by design
  Attempt(Blocked blocked) : state_(blocked) {}   // NOLINT: implicit by design
  Attempt(Result<T> result)                       // NOLINT: implicit by design
      : state_(result.ok() ? decltype(state_)(std::move(result).value())
                           : decltype(state_)(result.error())) {}

  [[nodiscard]] bool blocked() const { return std::holds_alternative<Blocked>(state_); }
  [[nodiscard]] const Blocked& blocked_on() const { return std::get<Blocked>(state_); }
  /// The value or the errno; not to be called while blocked().
  [[nodiscard]] Result<T> result() && {
    if (Errno* error = std::get_if<Errno>(&state_)) return *error;
    return std::get<T>(std::move(state_));
  }

 private:
  std::variant<T, Errno, Blocked> state_;
};

}  // namespace detent::waitq

// Errno and Result<T>: how every fallible kernel function reports failure.
//
// Errors are positive errno values; they become negative only in syscalls/dispatch. No exception
// crosses the trap.
#pragma once

#include <cerrno>
#include <type_traits>
#include <utility>

#include "detent/assert.h"

namespace detent {

/// A Linux errno (1..4095), or one of the kernel-internal restart codes below, which never reach a
/// guest. Source: errno(3), include/linux/errno.h.
struct Errno {
  int value;
  friend constexpr bool operator==(Errno, Errno) = default;
};

/// Restart codes: what an interrupted call asks of signal delivery. Source: include/linux/errno.h,
/// signal(7) "Interruption of system calls".
inline constexpr Errno kRestartSys{512};     ///< restart if SA_RESTART or no handler, else EINTR
inline constexpr Errno kRestartNoIntr{513};  ///< always restart
inline constexpr Errno kRestartNoHand{514};  ///< restart only if no handler runs, else EINTR
inline constexpr Errno kRestartBlock{516};   ///< as kRestartNoHand, but resume with what is left

/// Either a T or an Errno. Reading the wrong side is a detected bug.
template <class T>
class [[nodiscard]] Result {
 public:
  constexpr Result(T value) : value_(std::move(value)), error_{0} {}  // NOLINT: implicit by design
  constexpr Result(Errno error) : error_(error) {                     // NOLINT: implicit by design
    DETENT_ASSERT(error.value != 0);
  }

  [[nodiscard]] constexpr bool ok() const { return error_.value == 0; }
  [[nodiscard]] constexpr Errno error() const { return error_; }
  constexpr T& value() & {
    DETENT_ASSERT(ok());
    return value_;
  }
  constexpr const T& value() const& {
    DETENT_ASSERT(ok());
    return value_;
  }
  constexpr T&& value() && {
    DETENT_ASSERT(ok());
    return std::move(value_);
  }

 private:
  T value_{};
  Errno error_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  constexpr Result() : error_{0} {}
  constexpr Result(Errno error) : error_(error) {  // NOLINT: implicit by design
    DETENT_ASSERT(error.value != 0);
  }
  [[nodiscard]] constexpr bool ok() const { return error_.value == 0; }
  [[nodiscard]] constexpr Errno error() const { return error_; }
  constexpr void value() const { DETENT_ASSERT(ok()); }

 private:
  Errno error_;
};

}  // namespace detent

/// Evaluates to the value of a Result, or returns its error from the enclosing function.
#define TRY(expression)                                \
  __extension__({                                      \
    auto try_result_ = (expression);                   \
    if (!try_result_.ok()) return try_result_.error(); \
    std::move(try_result_).value();                    \
  })

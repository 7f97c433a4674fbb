// From registers to typed arguments: an adapter's own parameter types say how each register is read.
#pragma once

#include <cstdint>
#include <utility>

#include "detent/ids.h"
#include "detent/result.h"
#include "detent/user_ptr.h"
#include "emu/task/task.h"

namespace detent::syscalls {

template <class T>
struct FromRegister {
  static T convert(std::uint64_t raw) { return static_cast<T>(raw); }
};
template <>
struct FromRegister<Fd> {
  // Linux reads an fd as unsigned int.
  static Fd convert(std::uint64_t raw) { return static_cast<Fd>(static_cast<std::int32_t>(raw)); }
};
template <class T>
struct FromRegister<UserPtr<T>> {
  static UserPtr<T> convert(std::uint64_t raw) { return UserPtr<T>(raw); }
};

using Adapter = Result<long> (*)(Task&);

template <auto Function, class... Args, std::size_t... I>
Result<long> call_with(Task& task, Result<long> (*)(Task&, Args...), std::index_sequence<I...>) {
  return Function(task, FromRegister<Args>::convert(task.user.syscall_arg(I))...);
}

/// Calls adapter `Function` with its arguments taken from the task's registers.
template <auto Function>
Result<long> adapter(Task& task) {
  return [&]<class... Args>(Result<long> (*signature)(Task&, Args...)) {
    return call_with<Function>(task, signature, std::index_sequence_for<Args...>{});
  }(Function);
}

}  // namespace detent::syscalls

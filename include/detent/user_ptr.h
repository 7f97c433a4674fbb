// UserPtr<T>: the address of a T in guest memory. It cannot be dereferenced; only copy_in and
// copy_out (emu/mem/user_copy_unsafe.h) read and write through it.
#pragma once

#include <cstdint>

namespace detent {

template <class T>
class UserPtr {
 public:
  constexpr UserPtr() = default;
  constexpr explicit UserPtr(std::uint64_t address) : address_(address) {}

  [[nodiscard]] constexpr std::uint64_t address() const { return address_; }
  [[nodiscard]] constexpr bool is_null() const { return address_ == 0; }
  /// The address of the index-th element; wraps like the machine's arithmetic.
  [[nodiscard]] constexpr UserPtr at(std::uint64_t index) const {
    return UserPtr(address_ + index * sizeof(T));
  }
  /// The same address seen as another type (a struct's first member, an array's bytes).
  template <class U>
  [[nodiscard]] constexpr UserPtr<U> as() const {
    return UserPtr<U>(address_);
  }

 private:
  std::uint64_t address_ = 0;
};

/// An address whose bytes have no type.
template <>
class UserPtr<void> {
 public:
  constexpr UserPtr() = default;
  constexpr explicit UserPtr(std::uint64_t address) : address_(address) {}
  [[nodiscard]] constexpr std::uint64_t address() const { return address_; }
  [[nodiscard]] constexpr bool is_null() const { return address_ == 0; }
  template <class U>
  [[nodiscard]] constexpr UserPtr<U> as() const {
    return UserPtr<U>(address_);
  }

 private:
  std::uint64_t address_ = 0;
};

}  // namespace detent

#pragma once

/// @file
/// `Result<T>`: a value or an `Error`, in the words of `std::expected`.

#include <concepts>
#include <type_traits>
#include <utility>
#include <variant>

#include <ferry/error.hpp>

namespace ferry {

/// Holds either a `T` or the `Error` that kept it from being made.
///
/// A default-constructed one holds a default `T` (Asio hands out such a value when a spawned
/// coroutine fails). Threads: as safe as `T`.
template <class T>
class [[nodiscard]] Result {
 public:
  /// What it holds if nothing failed.
  using value_type = T;

  Result() = default;
  /// Holds this value.
  template <class U = T>
  requires std::constructible_from<T, U&&> &&(!std::same_as<std::remove_cvref_t<U>, Result>)&&(
      !std::same_as<std::remove_cvref_t<U>, Error>)Result(U&& value)
      : state_(std::in_place_index<0>, std::forward<U>(value)) {}
  /// Holds this error.
  Result(Error error) noexcept : state_(std::in_place_index<1>, std::move(error)) {}

  /// True if it holds a value.
  bool has_value() const noexcept { return state_.index() == 0; }
  /// True if it holds a value.
  explicit operator bool() const noexcept { return has_value(); }

  /// The value. @throws Error the one it holds instead.
  T& value() & {
    throw_if_error();
    return **this;
  }
  /// The value. @throws Error the one it holds instead.
  const T& value() const& {
    throw_if_error();
    return **this;
  }
  /// The value, moved out. @throws Error the one it holds instead.
  T value() && {
    throw_if_error();
    return std::move(**this);
  }

  /// The error. The behaviour is undefined if it holds a value.
  const Error& error() const noexcept { return *std::get_if<1>(&state_); }

  /// The value. The behaviour is undefined if it holds an error.
  T& operator*() & noexcept { return *std::get_if<0>(&state_); }
  /// The value. The behaviour is undefined if it holds an error.
  const T& operator*() const& noexcept { return *std::get_if<0>(&state_); }
  /// The value, to be moved from. The behaviour is undefined if it holds an error.
  T&& operator*() && noexcept { return std::move(*std::get_if<0>(&state_)); }
  /// The value's members. The behaviour is undefined if it holds an error.
  T* operator->() noexcept { return std::get_if<0>(&state_); }
  /// The value's members. The behaviour is undefined if it holds an error.
  const T* operator->() const noexcept { return std::get_if<0>(&state_); }

 private:
  void throw_if_error() const {
    if (!has_value()) throw error();
  }

  std::variant<T, Error> state_;
};

static_assert(detail::co_await_safe<Result<int>>);

}  // namespace ferry

#pragma once

/// @file
/// `Result<T>`: a value or an `Error`, with the interface of `std::expected`.

#include <cassert>
#include <concepts>
#include <memory>
#include <type_traits>
#include <utility>

#include <ferry/detail/base/configuration.hpp>
#include <ferry/error.hpp>

namespace ferry::inline FERRY_CONFIGURATION {

/// Holds either a `T` or the `Error` that prevented it.
///
/// A default-constructed result holds a default `T`, because Asio returns such a value when a
/// spawned coroutine fails. Threads: as safe as `T`.
template <class T>
class [[nodiscard]] Result {
 public:
  /// The type of the value.
  using value_type = T;

  Result() : value_() {}
  /// Holds this value.
  template <class U = T>
  requires std::constructible_from<T, U&&> &&(!std::same_as<std::remove_cvref_t<U>, Result>)&&(
      !std::same_as<std::remove_cvref_t<U>, Error>)Result(U&& value)
      : value_(std::forward<U>(value)) {}
  /// Holds this error.
  Result(Error error) noexcept : error_(std::move(error)), has_value_(false) {}

  /// Copies the value or the error.
  Result(const Result& other) requires std::copy_constructible<T> : has_value_(other.has_value_) {
    if (has_value_)
      std::construct_at(std::addressof(value_), other.value_);
    else
      std::construct_at(std::addressof(error_), other.error_);
  }
  /// Moves the value or the error.
  Result(Result&& other) noexcept : has_value_(other.has_value_) {
    static_assert(std::is_nothrow_move_constructible_v<T>, "else it could be left with nothing");
    if (has_value_)
      std::construct_at(std::addressof(value_), std::move(other.value_));
    else
      std::construct_at(std::addressof(error_), std::move(other.error_));
  }
  /// Copies the value or the error.
  Result& operator=(const Result& other) requires std::copy_constructible<T> {
    return *this = Result(other);
  }
  /// Moves the value or the error.
  Result& operator=(Result&& other) noexcept {
    if (this == &other) return *this;
    std::destroy_at(this);
    return *std::construct_at(this, std::move(other));
  }
  ~Result() {
    if (has_value_)
      std::destroy_at(std::addressof(value_));
    else
      std::destroy_at(std::addressof(error_));
  }

  /// True if it holds a value.
  bool has_value() const noexcept { return has_value_; }
  /// True if it holds a value.
  explicit operator bool() const noexcept { return has_value(); }

  /// The value. @throws Error the held error, if there is no value.
  T& value() & {
    throw_if_error();
    return **this;
  }
  /// The value. @throws Error the held error, if there is no value.
  const T& value() const& {
    throw_if_error();
    return **this;
  }
  /// The value, moved out. @throws Error the held error, if there is no value.
  T value() && {
    throw_if_error();
    return std::move(**this);
  }

  /// The error. The behaviour is undefined if the result holds a value. (Debug builds assert this
  /// precondition, and those below.)
  const Error& error() const& noexcept {
    assert(!has_value_);
    return error_;
  }
  /// Overload for a temporary: returns by value.
  Error error() && { return std::as_const(*this).error(); }

  /// The value. The behaviour is undefined if the result holds an error.
  T& operator*() & noexcept { return *operator->(); }
  /// The value. The behaviour is undefined if the result holds an error.
  const T& operator*() const& noexcept { return *operator->(); }
  /// The value, to be moved from. The behaviour is undefined if the result holds an error.
  T&& operator*() && noexcept { return std::move(*operator->()); }
  /// The value's members. The behaviour is undefined if the result holds an error.
  T* operator->() noexcept {
    assert(has_value_);
    return std::addressof(value_);
  }
  /// The value's members. The behaviour is undefined if the result holds an error.
  const T* operator->() const noexcept {
    assert(has_value_);
    return std::addressof(value_);
  }

 private:
  void throw_if_error() const {
    if (!has_value()) throw error();
  }

  // A `std::variant` would work too, but would take the compiler several times as long.
  union {
    T value_;
    Error error_;
  };
  bool has_value_ = true;
};

static_assert(detail::co_await_safe<Result<int>>);

}  // namespace ferry

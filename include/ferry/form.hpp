#pragma once

/// @file
/// `Form`: the fields of a simple HTML form as a body.

#include <string>
#include <string_view>
#include <utility>

#include <ferry/body.hpp>
#include <ferry/detail/base/co_await_safe.hpp>
#include <ferry/detail/base/configuration.hpp>

namespace ferry::inline FERRY_CONFIGURATION {

/// A form's fields, as a body of the type `application/x-www-form-urlencoded`:
/// `co_await client.post("/login", ferry::Form().add("user", "ada").add("next", "/a b"))`.
///
/// Names and values are usually UTF-8, but any bytes arrive unchanged. Fields keep their order, and
/// names may repeat. For files see `ferry/multipart.hpp`. Lifetime: owns its fields. Threads: a
/// value. (WHATWG URL, section 5.2)
class Form {
 public:
  /// A form without fields: an empty body.
  Form() = default;

  /// Adds a field at the end.
  Form& add(std::string_view name, std::string_view value) &;
  /// Adds a field at the end.
  Form add(std::string_view name, std::string_view value) && { return std::move(add(name, value)); }

  /// The encoded fields: `user=ada&next=%2Fa+b`. Valid until the form is changed or destroyed.
  const std::string& str() const& noexcept { return text_; }
  /// Overload for a temporary: returns by value.
  std::string str() && { return std::move(text_); }

  /// The body, with its `Content-Type`.
  operator Body() const& { return Body(text_, content_type()); }
  /// The body, with its `Content-Type`.
  operator Body() && { return Body(std::move(text_), content_type()); }

 private:
  static std::string content_type() { return "application/x-www-form-urlencoded"; }

  std::string text_;
};
static_assert(detail::co_await_safe<Form>);

}  // namespace ferry

#if !defined(FERRY_SEPARATE_COMPILATION)
#include <ferry/impl/form.ipp>
#endif

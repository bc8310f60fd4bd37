#pragma once

#include <cstddef>
#include <exception>
#include <llhttp.h>
#include <string_view>

// The one header that includes llhttp.
namespace ferry::detail {

/// Callbacks of llhttp that are member functions of `Owner`, which `llhttp_t::data` points to.
/// llhttp is C, so no exception may pass through it: one ends the parsing, and is kept in
/// `Owner::thrown_`.
template <class Owner>
class LlhttpCallbacks {
 public:
  /// Takes a piece of the message.
  template <auto Member>
  static int span(llhttp_t* llhttp, const char* at, std::size_t size) noexcept {
    return guarded(llhttp,
                   [&](Owner& owner) { return (owner.*Member)(std::string_view(at, size)); });
  }
  /// Says that a part of the message has ended.
  template <auto Member>
  static int notice(llhttp_t* llhttp) noexcept {
    return guarded(llhttp, [](Owner& owner) { return (owner.*Member)(); });
  }

 private:
  template <class Function>
  static int guarded(llhttp_t* llhttp, Function function) noexcept {
    Owner& owner = *static_cast<Owner*>(llhttp->data);
    try {
      return function(owner);
    } catch (...) {
      owner.thrown_ = std::current_exception();
      return -1;
    }
  }
};

}  // namespace ferry::detail

#pragma once

#include <cstddef>
#include <exception>
#include <llhttp.h>
#include <string_view>

// The only header that includes llhttp.
namespace ferry::detail {

/// Callbacks of llhttp that call member functions of `Owner`, to which `llhttp_t::data` points.
/// llhttp is C code, so no exception may pass through it: an exception ends the parsing, and is
/// kept in `Owner::thrown_`.
template <class Owner>
class LlhttpCallbacks {
 public:
  /// Takes a piece of the message.
  template <auto Member>
  static int span(llhttp_t* llhttp, const char* at, std::size_t size) noexcept {
    return guarded(llhttp,
                   [&](Owner& owner) { return (owner.*Member)(std::string_view(at, size)); });
  }
  /// Reports the end of a part of the message.
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

#pragma once

#include <cstddef>
#include <exception>
#include <llhttp.h>
#include <string_view>
#include <utility>

#include <ferry/detail/base/configuration.hpp>
#include <ferry/error.hpp>

// The only header that includes llhttp.
namespace ferry::inline FERRY_CONFIGURATION::detail {

/// False for an llhttp 8 that was built without its strict mode: it accepts malformed responses.
inline bool is_llhttp_strict() noexcept {
  static const bool strict = [] {
    llhttp_settings_t none;
    llhttp_settings_init(&none);
    llhttp_t parser;
    llhttp_init(&parser, HTTP_RESPONSE, &none);
    constexpr std::string_view lax = "HTTP/1.1 200 OK\r\nA : b\r\n";
    return llhttp_execute(&parser, lax.data(), lax.size()) != HPE_OK;
  }();
  return strict;
}

/// An llhttp parser whose callbacks are member functions of `Owner`, a class derived from this one.
/// llhttp is C code, so no exception may pass through it: an exception in a callback ends the
/// parsing, and `execute` throws it again.
template <class Owner>
class LlhttpParser {
 public:
  LlhttpParser& operator=(const LlhttpParser&) = delete;

 protected:
  ~LlhttpParser() = default;

  /// Prepares for a message.
  /// @param settings the callbacks; must outlive the parser.
  void init(llhttp_type_t type, const llhttp_settings_t& settings) noexcept {
    llhttp_init(&llhttp_, type, &settings);
    llhttp_.data = static_cast<Owner*>(this);
  }

  /// Parses bytes.
  /// @throws the exception of a callback.
  llhttp_errno_t execute(std::string_view bytes) {
    const llhttp_errno_t result = llhttp_execute(&llhttp_, bytes.data(), bytes.size());
    if (thrown_) std::rethrow_exception(std::exchange(thrown_, nullptr));
    return result;
  }

  /// The number of the bytes last executed that were parsed before llhttp stopped.
  std::size_t parsed_before_stop(std::string_view bytes) const noexcept {
    return static_cast<std::size_t>(llhttp_get_error_pos(&llhttp_) - bytes.data());
  }

  /// The error for which llhttp has stopped.
  Error llhttp_error() const {
    const llhttp_errno_t code = llhttp_get_errno(&llhttp_);
    const bool framing = code == HPE_INVALID_CONTENT_LENGTH ||
                         code == HPE_UNEXPECTED_CONTENT_LENGTH ||
                         code == HPE_INVALID_TRANSFER_ENCODING;
    const char* reason = llhttp_get_error_reason(&llhttp_);
    return Error(framing ? Errc::ambiguous_framing : Errc::malformed_response,
                 reason ? reason : llhttp_errno_name(code));
  }

  /// A callback that takes a piece of the message.
  template <auto Member>
  static int span(llhttp_t* llhttp, const char* at, std::size_t size) noexcept {
    return guarded(llhttp,
                   [&](Owner& owner) { return (owner.*Member)(std::string_view(at, size)); });
  }
  /// A callback that reports the end of a part of the message.
  template <auto Member>
  static int notice(llhttp_t* llhttp) noexcept {
    return guarded(llhttp, [](Owner& owner) { return (owner.*Member)(); });
  }

  llhttp_t llhttp_;  // Not initialised before `init`.

 private:
  friend Owner;  // So that no other class constructs this one for `Owner`.
  LlhttpParser(const LlhttpParser&) = delete;  // llhttp holds a pointer to this object.
  LlhttpParser() = default;

  template <class Function>
  static int guarded(llhttp_t* llhttp, Function function) noexcept {
    Owner& owner = *static_cast<Owner*>(llhttp->data);
    try {
      return function(owner);
    } catch (...) {
      static_cast<LlhttpParser&>(owner).thrown_ = std::current_exception();
      return -1;
    }
  }

  std::exception_ptr thrown_;
};

}  // namespace ferry::detail

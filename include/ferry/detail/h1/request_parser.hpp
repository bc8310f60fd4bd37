#pragma once

#include <exception>
#include <string>
#include <string_view>
#include <utility>

#include <ferry/detail/h1/callbacks.hpp>
#include <ferry/headers.hpp>

namespace ferry::detail {

/// Parses HTTP/1.1 requests, one after the other, from bytes in any pieces. Test servers that work
/// without a network use this class.
class RequestParser {
 public:
  RequestParser(const RequestParser&) = delete;  // llhttp holds a pointer to this object.
  RequestParser& operator=(const RequestParser&) = delete;

 protected:
  RequestParser() {
    llhttp_init(&llhttp_, HTTP_REQUEST, &settings());
    llhttp_.data = this;
  }
  ~RequestParser() = default;

  /// Called when the head of a request has arrived.
  virtual void on_request_head() = 0;
  /// Called when a request has arrived; its parts may be moved out.
  virtual void on_request() = 0;

  /// Parses bytes.
  /// @return false if the bytes are not a request, or a callback has thrown.
  bool feed(std::string_view bytes) noexcept {
    const auto result = llhttp_execute(&llhttp_, bytes.data(), bytes.size());
    if (result == HPE_PAUSED_UPGRADE) llhttp_resume_after_upgrade(&llhttp_);
    return result == HPE_OK || result == HPE_PAUSED_UPGRADE;
  }

  std::string_view method() const noexcept {
    return llhttp_method_name(static_cast<llhttp_method>(llhttp_.method));
  }
  std::string target_;
  Headers headers_;
  std::string body_;

 private:
  using Callbacks = LlhttpCallbacks<RequestParser>;
  friend Callbacks;

  static const llhttp_settings_t& settings() {
    static const llhttp_settings_t instance = [] {
      llhttp_settings_t s;
      llhttp_settings_init(&s);
      s.on_message_begin = Callbacks::notice<&RequestParser::on_begin>;
      s.on_url = Callbacks::span<&RequestParser::on_url>;
      s.on_header_field = Callbacks::span<&RequestParser::on_name>;
      s.on_header_value = Callbacks::span<&RequestParser::on_value>;
      s.on_header_value_complete = Callbacks::notice<&RequestParser::on_field>;
      s.on_headers_complete = Callbacks::notice<&RequestParser::on_head>;
      s.on_body = Callbacks::span<&RequestParser::on_body>;
      s.on_message_complete = Callbacks::notice<&RequestParser::on_message>;
      return s;
    }();
    return instance;
  }

  int on_begin() noexcept {
    target_.clear();
    headers_ = Headers();
    body_.clear();
    return 0;
  }
  int on_url(std::string_view piece) {
    target_ += piece;
    return 0;
  }
  int on_name(std::string_view piece) {
    name_ += piece;
    return 0;
  }
  int on_value(std::string_view piece) {
    value_ += piece;
    return 0;
  }
  int on_field() {
    headers_.add(name_, value_);
    name_.clear();
    value_.clear();
    return 0;
  }
  int on_head() {
    on_request_head();
    return 0;
  }
  int on_body(std::string_view piece) {
    body_ += piece;
    return 0;
  }
  int on_message() {
    on_request();
    return 0;
  }

  llhttp_t llhttp_;
  std::string name_, value_;
  std::exception_ptr thrown_;
};

}  // namespace ferry::detail

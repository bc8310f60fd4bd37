#pragma once

#include <string>
#include <string_view>

#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/h1/llhttp_parser.hpp>
#include <ferry/headers.hpp>

namespace ferry::inline FERRY_CONFIGURATION::detail {

/// Parses HTTP/1.1 requests, one after the other, from bytes in any pieces. Test servers that work
/// without a network use this class.
class RequestParser : public LlhttpParser<RequestParser> {
 protected:
  RequestParser() { init(HTTP_REQUEST, settings()); }
  ~RequestParser() = default;

  /// Called when the head of a request has arrived.
  virtual void on_request_head() = 0;
  /// Called when a request has arrived; its parts may be moved out.
  virtual void on_request() = 0;

  /// Parses bytes.
  /// @return false if the bytes are not a request, or a callback has thrown.
  bool feed(std::string_view bytes) noexcept {
    try {
      const llhttp_errno_t result = execute(bytes);
      if (result == HPE_PAUSED_UPGRADE) llhttp_resume_after_upgrade(&llhttp_);
      return result == HPE_OK || result == HPE_PAUSED_UPGRADE;
    } catch (...) {
      return false;
    }
  }

  std::string_view method() const noexcept {
    return llhttp_method_name(static_cast<llhttp_method>(llhttp_.method));
  }
  std::string target_;
  Headers headers_;
  std::string body_;

 private:
  static const llhttp_settings_t& settings() {
    static const llhttp_settings_t instance = [] {
      llhttp_settings_t s;
      llhttp_settings_init(&s);
      s.on_message_begin = notice<&RequestParser::on_begin>;
      s.on_url = span<&RequestParser::on_url>;
      s.on_header_field = span<&RequestParser::on_name>;
      s.on_header_value = span<&RequestParser::on_value>;
      s.on_header_value_complete = notice<&RequestParser::on_field>;
      s.on_headers_complete = notice<&RequestParser::on_head>;
      s.on_body = span<&RequestParser::on_body>;
      s.on_message_complete = notice<&RequestParser::on_message>;
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

  std::string name_, value_;
};

}  // namespace ferry::detail

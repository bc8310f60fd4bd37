#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <ferry/connector.hpp>
#include <ferry/detail/auth/authorize.hpp>
#include <ferry/detail/h1/parser.hpp>
#include <ferry/detail/policy/proxy.hpp>

// Tunnels through a proxy to an origin: CONNECT (RFC 9110 9.3.6) and SOCKS 5 (RFC 1928, 1929).
namespace ferry::detail {

/// The handshake with a proxy, over a stream to it.
class Tunnel {
 public:
  /// @param context the origin's.
  /// @param asked the results of earlier attempts with the proxy's credentials.
  /// Lifetime: everything given outlives the tunnel.
  Tunnel(Stream& stream, const Proxy& proxy, DialContext& context, ChallengeState& asked)
      : stream_(stream), proxy_(proxy), context_(context), asked_(asked) {}

  /// @param address the origin's, if the proxy is not to look it up.
  /// @return the failure, or nothing: the stream then leads to the origin.
  template <class = void>
  asio::awaitable<std::optional<Error>> open(std::optional<asio::ip::address> address) {
    return proxy_.kind == Proxy::Kind::http ? connect() : socks5(address);
  }

  /// True after a failure if another attempt, on a new stream, may succeed: the proxy has asked for
  /// other credentials.
  bool may_try_again() const noexcept { return may_try_again_; }

 private:
  static constexpr std::size_t max_answer = 16 * 1024;

  std::string origin() const {
    const bool is_v6 = context_.host().find(':') != std::string::npos;
    return (is_v6 ? "[" + context_.host() + "]" : context_.host()) + ":" +
           std::to_string(context_.port());
  }
  Error failure(Errc code, std::string what, std::error_code cause = {}) const {
    return Error(code, std::string(proxy_.url.origin()) + ": " + std::move(what), cause);
  }

  template <class = void>
  asio::awaitable<std::optional<Error>> connect() {
    const std::string target = origin();
    AuthContext asks{"CONNECT", proxy_.url, target, true};
    asked_.fill(asks);
    std::string credentials = proxy_.authorization();
    if (proxy_.auth) {
      const auto known = authorize_now(*proxy_.auth, asks, credentials);
      if (!known) co_return known.error();
      if (!*known) {
        auto error = co_await authorize(*proxy_.auth, asks, credentials, access::deadline(context_),
                                        Phase::proxy, context_.connect_limit());
        if (error) co_return error;
        if (!context_.enter(Phase::proxy, context_.connect_limit(), stream_))
          co_return context_.error();
      }
    }
    std::string text = "CONNECT " + origin() + " HTTP/1.1\r\nHost: " + origin() + "\r\n";
    if (!credentials.empty()) text += "Proxy-Authorization: " + credentials + "\r\n";
    text += "\r\n";
    if (auto error = co_await write(text)) co_return error;

    ResponseMessage message;
    H1Parser parser;
    // A success has no body (RFC 9110 9.3.6), and any other answer ends the connection.
    parser.start(message, true, {max_answer, 128, 0});
    std::string in;
    for (std::size_t parsed = 0;;) {
      const auto before = in.size();
      in.resize(before + 1024);
      std::error_code error;
      const auto count = co_await stream_.read_some(asio::buffer(in.data() + before, 1024), error);
      if (error) co_return ended(error);
      in.resize(before + count);
      auto step = H1Parser::Step::interim_done;
      while (step == H1Parser::Step::interim_done && parsed < in.size()) {
        const auto fed = parser.feed(std::string_view(in).substr(parsed));
        parsed += fed.first;
        step = fed.second;
      }
      if (step == H1Parser::Step::failed)
        co_return failure(Errc::proxy_failed, parser.error().what());
      if (step == H1Parser::Step::need_more || step == H1Parser::Step::interim_done) continue;
      if (message.status < 200 || message.status > 299) {
        std::string what = "it answers " + std::to_string(message.status) + " " + message.reason;
        what += " to CONNECT " + origin();
        may_try_again_ = message.status == 407 && proxy_.auth &&
                         is_challenged(*proxy_.auth, asks, message.headers, credentials, asked_);
        co_return failure(
            message.status == 407 ? Errc::proxy_authentication_required : Errc::proxy_refused,
            std::move(what));
      }
      // The origin has nothing to say before the client.
      if (parsed < in.size())
        co_return failure(Errc::proxy_failed, "it goes on behind its answer to CONNECT");
      co_return std::nullopt;
    }
  }

  template <class = void>
  asio::awaitable<std::optional<Error>> socks5(std::optional<asio::ip::address> address) {
    const bool offers_password = proxy_.has_credentials();
    const std::string methods =
        offers_password ? std::string("\x05\x02\x00\x02", 4) : std::string("\x05\x01\x00", 3);
    if (auto error = co_await write(methods)) co_return error;
    std::array<unsigned char, 262> in;
    if (auto error = co_await read(asio::buffer(in, 2))) co_return error;
    if (in[0] != 5) co_return failure(Errc::proxy_failed, "it does not speak SOCKS 5");
    if (in[1] == 0xFF || (in[1] == 2 && !offers_password)) {
      co_return failure(Errc::proxy_authentication_required,
                        offers_password ? "it takes no password" : "it wants a password");
    }
    if (in[1] == 2) {
      std::string login = "\x01";
      login += static_cast<char>(proxy_.user.size());
      login += proxy_.user;
      login += static_cast<char>(proxy_.password.size());
      login += proxy_.password;
      if (auto error = co_await write(login)) co_return error;
      if (auto error = co_await read(asio::buffer(in, 2))) co_return error;
      if (in[1] != 0)
        co_return failure(Errc::proxy_authentication_required, "it refuses the password");
    } else if (in[1] != 0) {
      co_return failure(Errc::proxy_failed, "it chose a way to log in that was not offered");
    }

    std::string request("\x05\x01\x00", 3);
    std::error_code not_numeric;
    const auto numeric = asio::ip::make_address(context_.host(), not_numeric);
    if (!address && !not_numeric) address = numeric;
    if (!address) {
      if (context_.host().size() > 255)
        co_return failure(Errc::proxy_failed, "the host's name is too long for SOCKS");
      request += '\x03';
      request += static_cast<char>(context_.host().size());
      request += context_.host();
    } else if (address->is_v4()) {
      const auto bytes = address->to_v4().to_bytes();
      request += '\x01';
      request.append(bytes.begin(), bytes.end());
    } else {
      const auto bytes = address->to_v6().to_bytes();
      request += '\x04';
      request.append(bytes.begin(), bytes.end());
    }
    request += static_cast<char>(context_.port() >> 8);
    request += static_cast<char>(context_.port() & 0xFF);
    if (auto error = co_await write(request)) co_return error;

    if (auto error = co_await read(asio::buffer(in, 5))) co_return error;
    if (in[0] != 5) co_return failure(Errc::proxy_failed, "it does not speak SOCKS 5");
    if (in[1] != 0) {
      co_return failure(Errc::proxy_refused,
                        "no connection to " + origin() + ": " + socks_reason(in[1]));
    }
    // The rest of the answer is an address, which is not used, and its port.
    std::size_t rest = 0;
    if (in[3] == 1) rest = 4 - 1 + 2;
    if (in[3] == 3) rest = in[4] + std::size_t{2};
    if (in[3] == 4) rest = 16 - 1 + 2;
    if (rest == 0)
      co_return failure(Errc::proxy_failed, "it answers with an unknown kind of address");
    co_return co_await read(asio::buffer(in, rest));
  }

  static const char* socks_reason(unsigned char code) noexcept {
    switch (code) {
      case 1: return "general failure";
      case 2: return "not allowed by the proxy's rules";
      case 3: return "network unreachable";
      case 4: return "host unreachable";
      case 5: return "connection refused";
      case 6: return "its time to live has passed";
      case 7: return "command not supported";
      case 8: return "kind of address not supported";
      default: return "unknown reason";
    }
  }

  template <class = void>
  asio::awaitable<std::optional<Error>> write(std::string_view bytes) {
    while (!bytes.empty()) {
      const asio::const_buffer buffer(bytes.data(), bytes.size());
      std::error_code error;
      const auto count = co_await stream_.write_some(std::span(&buffer, 1), error);
      if (error) co_return ended(error);
      bytes.remove_prefix(count);
    }
    co_return std::nullopt;
  }
  template <class = void>
  asio::awaitable<std::optional<Error>> read(asio::mutable_buffer buffer) {
    while (buffer.size() > 0) {
      std::error_code error;
      const auto count = co_await stream_.read_some(buffer, error);
      if (error) co_return ended(error);
      buffer += count;
    }
    co_return std::nullopt;
  }
  Error ended(std::error_code error) const {
    if (context_.ended()) return context_.error();
    return failure(Errc::proxy_failed, "it ended the connection",
                   error == asio::error::eof ? std::error_code() : error);
  }

  Stream& stream_;
  const Proxy& proxy_;
  DialContext& context_;
  ChallengeState& asked_;
  bool may_try_again_ = false;
};

}  // namespace ferry::detail

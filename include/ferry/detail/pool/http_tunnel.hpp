#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <ferry/detail/auth/authorize.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/h1/parser.hpp>
#include <ferry/detail/net/proxy_stream.hpp>

namespace ferry::inline FERRY_CONFIGURATION::detail {

/// The handshake of CONNECT with an HTTP proxy (RFC 9110 9.3.6).
class HttpTunnel {
 public:
  /// @param deadline the dial's.
  /// @param challenges the results of earlier attempts with the proxy's credentials.
  /// Lifetime: everything given outlives the tunnel.
  HttpTunnel(ProxyStream& proxy, Deadline& deadline, ChallengeState& challenges)
      : proxy_(proxy),
        deadline_(deadline),
        challenges_(challenges),
        authority_(proxy.authority()),
        context_{"CONNECT", proxy.proxy.url, authority_, true},
        credentials_(proxy.proxy.authorization()) {
    challenges.fill(context_);
  }
  HttpTunnel(const HttpTunnel&) = delete;
  HttpTunnel& operator=(const HttpTunnel&) = delete;

  /// @return the failure, or nothing: the stream then leads to the origin.
  asio::awaitable<std::optional<Error>> open() {
    DialContext& origin = proxy_.origin;
    if (Authenticator* const auth = proxy_.proxy.auth.get()) {
      const auto known = authorize_now(*auth, context_, credentials_);
      if (!known) co_return known.error();
      if (!*known) {
        auto error = co_await authorize(*auth, context_, credentials_, deadline_, Phase::proxy,
                                        origin.connect_limit());
        if (error) co_return error;
        if (!origin.enter(Phase::proxy, origin.connect_limit(), proxy_.stream))
          co_return origin.error();
      }
    }
    const std::string request = request_head();
    if (auto error = co_await proxy_.write(request)) co_return error;

    ResponseMessage message;
    // A success has no body (RFC 9110 9.3.6), and any other answer ends the connection.
    H1Parser parser(message, true, ParserLimits{max_answer, 128, 0});
    std::string in;
    for (std::size_t parsed = 0;;) {
      const auto before = in.size();
      in.resize(before + 1024);
      std::error_code error;
      const auto count =
          co_await proxy_.stream.read_some(asio::buffer(in.data() + before, 1024), error);
      if (error) co_return proxy_.ended(error);
      in.resize(before + count);
      auto step = ParseStep::interim_done;
      while (step == ParseStep::interim_done && parsed < in.size()) {
        const auto fed = parser.feed(std::string_view(in).substr(parsed));
        parsed += fed.first;
        step = fed.second;
      }
      if (step == ParseStep::failed)
        co_return proxy_.failure(Errc::proxy_failed, parser.error().what());
      if (step == ParseStep::need_more || step == ParseStep::interim_done) continue;
      co_return check_answer(message, parsed < in.size());
    }
  }

  /// True after a failure if another attempt, on a new stream, may succeed: the proxy has asked for
  /// other credentials.
  bool may_try_again() const noexcept { return may_try_again_; }

 private:
  static constexpr std::size_t max_answer = 16 * 1024;

  std::string request_head() const {
    std::string text = "CONNECT " + authority_ + " HTTP/1.1\r\nHost: " + authority_ + "\r\n";
    if (!credentials_.empty()) text += "Proxy-Authorization: " + credentials_ + "\r\n";
    return text += "\r\n";
  }

  /// @param has_more true if bytes follow the answer: the origin has nothing to say before the
  ///   client.
  std::optional<Error> check_answer(const ResponseMessage& message, bool has_more) {
    if (message.status < 200 || message.status > 299) {
      const bool asks = message.status == 407;
      Authenticator* const auth = proxy_.proxy.auth.get();
      may_try_again_ = asks && auth &&
                       is_challenged(*auth, context_, message.headers, credentials_, challenges_);
      std::string what = "it answers " + std::to_string(message.status) + " " + message.reason;
      what += " to CONNECT " + authority_;
      return proxy_.failure(asks ? Errc::proxy_authentication_required : Errc::proxy_refused,
                            std::move(what));
    }
    if (has_more)
      return proxy_.failure(Errc::proxy_failed, "it goes on behind its answer to CONNECT");
    return std::nullopt;
  }

  ProxyStream& proxy_;
  Deadline& deadline_;
  ChallengeState& challenges_;
  const std::string authority_;
  AuthContext context_;
  std::string credentials_;
  bool may_try_again_ = false;
};

}  // namespace ferry::detail

#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>

#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/net/proxy_stream.hpp>

namespace ferry::inline FERRY_CONFIGURATION::detail {

/// The handshake of SOCKS 5 (RFC 1928), with a password if the proxy asks for one (RFC 1929).
class Socks5Tunnel {
 public:
  explicit Socks5Tunnel(ProxyStream& proxy) noexcept : proxy_(proxy) {}

  /// @param address the origin's, if the proxy is not to look it up.
  /// @return the failure, or nothing: the stream then leads to the origin.
  asio::awaitable<std::optional<Error>> open(std::optional<asio::ip::address> address) {
    const std::string methods =
        offers_password() ? std::string("\x05\x02\x00\x02", 4) : std::string("\x05\x01\x00", 3);
    if (auto error = co_await proxy_.write(methods)) co_return error;
    std::array<unsigned char, 262> in;
    if (auto error = co_await proxy_.read(asio::buffer(in, 2))) co_return error;
    if (auto error = check_method(in[0], in[1])) co_return error;
    if (in[1] == with_password) {
      const std::string login = login_message();
      if (auto error = co_await proxy_.write(login)) co_return error;
      if (auto error = co_await proxy_.read(asio::buffer(in, 2))) co_return error;
      if (in[1] != 0)
        co_return proxy_.failure(Errc::proxy_authentication_required, "it refuses the password");
    }
    const auto request = connect_message(address);
    if (!request) co_return request.error();
    if (auto error = co_await proxy_.write(*request)) co_return error;
    if (auto error = co_await proxy_.read(asio::buffer(in, 5))) co_return error;
    if (auto error = check_answer(in[0], in[1])) co_return error;
    const std::size_t rest = rest_of_answer(in[3], in[4]);
    if (rest == 0)
      co_return proxy_.failure(Errc::proxy_failed, "it answers with an unknown kind of address");
    co_return co_await proxy_.read(asio::buffer(in, rest));
  }

 private:
  // Methods of authentication.
  static constexpr unsigned char without_password = 0;
  static constexpr unsigned char with_password = 2;
  static constexpr unsigned char no_method = 0xFF;

  bool offers_password() const noexcept { return proxy_.proxy.has_credentials(); }

  /// Checks the method of authentication that the proxy has chosen.
  std::optional<Error> check_method(unsigned char version, unsigned char method) const {
    if (version != 5) return proxy_.failure(Errc::proxy_failed, "it does not speak SOCKS 5");
    if (method == no_method || (method == with_password && !offers_password())) {
      return proxy_.failure(Errc::proxy_authentication_required,
                            offers_password() ? "it takes no password" : "it wants a password");
    }
    if (method != with_password && method != without_password) {
      return proxy_.failure(Errc::proxy_failed, "it chose a way to log in that was not offered");
    }
    return std::nullopt;
  }

  std::string login_message() const {
    const Proxy& proxy = proxy_.proxy;
    std::string login = "\x01";
    login += static_cast<char>(proxy.user.size());
    login += proxy.user;
    login += static_cast<char>(proxy.password.size());
    login += proxy.password;
    return login;
  }

  Result<std::string> connect_message(std::optional<asio::ip::address> address) const {
    const DialContext& origin = proxy_.origin;
    std::string request("\x05\x01\x00", 3);
    std::error_code not_numeric;
    const auto numeric = asio::ip::make_address(origin.host(), not_numeric);
    if (!address && !not_numeric) address = numeric;
    if (!address) {
      if (origin.host().size() > 255)
        return proxy_.failure(Errc::proxy_failed, "the host's name is too long for SOCKS");
      request += '\x03';
      request += static_cast<char>(origin.host().size());
      request += origin.host();
    } else if (address->is_v4()) {
      const auto bytes = address->to_v4().to_bytes();
      request += '\x01';
      request.append(bytes.begin(), bytes.end());
    } else {
      const auto bytes = address->to_v6().to_bytes();
      request += '\x04';
      request.append(bytes.begin(), bytes.end());
    }
    request += static_cast<char>(origin.port() >> 8);
    request += static_cast<char>(origin.port() & 0xFF);
    return request;
  }

  std::optional<Error> check_answer(unsigned char version, unsigned char reply) const {
    if (version != 5) return proxy_.failure(Errc::proxy_failed, "it does not speak SOCKS 5");
    if (reply == 0) return std::nullopt;
    return proxy_.failure(Errc::proxy_refused,
                          "no connection to " + proxy_.authority() + ": " + describe(reply));
  }

  /// The number of bytes that follow the answer's first five: the rest of an address, which is not
  /// used, and its port. 0 for an unknown kind of address.
  static std::size_t rest_of_answer(unsigned char kind, unsigned char length) noexcept {
    switch (kind) {
      case 1: return 4 - 1 + 2;
      case 3: return length + std::size_t{2};
      case 4: return 16 - 1 + 2;
      default: return 0;
    }
  }

  static const char* describe(unsigned char reply) noexcept {
    switch (reply) {
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

  ProxyStream& proxy_;
};

}  // namespace ferry::detail

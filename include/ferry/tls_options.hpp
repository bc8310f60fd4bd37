#pragma once

/// @file
/// `tls::Options`: the options for securing connections.

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <ferry/detail/base/asio.hpp>
#include <ferry/detail/base/co_await_safe.hpp>
#include <ferry/detail/base/configuration.hpp>

namespace ferry::inline FERRY_CONFIGURATION::tls {

/// Certificates or a key in PEM form (RFC 7468), in a file or in memory.
///
/// Lifetime: owns its text. Threads: a value.
class Pem {
 public:
  /// An empty value: no certificates and no key.
  Pem() = default;
  /// Takes the contents of this file, which is read when the context is made.
  static Pem file(std::string path) { return Pem(std::move(path), {}); }
  /// Takes this text in PEM form.
  static Pem text(std::string text) { return Pem({}, std::move(text)); }

  /// True if there are no certificates and no key.
  bool empty() const noexcept { return path_.empty() && text_.empty(); }
  /// The file's path; empty for a text in memory.
  const std::string& path() const& noexcept { return path_; }
  /// Overload for a temporary: returns by value.
  std::string path() && { return std::move(path_); }
  /// The text.
  /// @throws Error `Errc::invalid_option` for a file that cannot be read.
  std::string read() const;

 private:
  Pem(std::string path, std::string text) : path_(std::move(path)), text_(std::move(text)) {}

  std::string path_;
  std::string text_;
};
static_assert(detail::co_await_safe<Pem>);

/// The oldest version of TLS to accept. The values are those of the protocol (RFC 8446 4.1.2).
enum class Version { tls1_2 = 0x0303, tls1_3 = 0x0304 };

/// The options for securing connections. Set its members on a named variable.
class Options {
 public:
  Options() {}

  /// Trust the certificate authorities that the system trusts, or those of the environment's
  /// `SSL_CERT_FILE` and `SSL_CERT_DIR`.
  bool system_roots = true;
  /// Further certificate authorities to trust.
  std::vector<Pem> roots;
  /// The client's own certificate, followed by those between it and its root, for servers that ask
  /// for one.
  Pem certificate;
  /// The private key of that certificate.
  Pem private_key;
  /// The password of the private key, if it is encrypted.
  std::string password;
  /// Pinned keys: if there are any, the server's public key must also be one of these. Each is
  /// `sha256//` and the key's hash in base64 (RFC 7469 2.4), as for curl.
  std::vector<std::string> pinned_public_keys;
  /// The oldest version to accept.
  Version min_version = Version::tls1_2;
  /// Resume earlier sessions with the same server, which halves the handshake's work for a new
  /// connection.
  bool resume_sessions = true;
  /// The file to which the secrets of each connection are appended, for Wireshark
  /// (`SSLKEYLOGFILE`). Anyone who can read the file can read all traffic; only its owner may read
  /// a file that is created here.
  std::string keylog_file;
  /// Accept any certificate: anyone on the network path can then read and change all traffic. The
  /// log says so for each connection.
  bool danger_accept_any_certificate = false;
  /// Called last, to set anything in OpenSSL that has no option here. Include
  /// `asio/ssl/context.hpp` to write such a function.
  std::function<void(asio::ssl::context&)> configure;
};
static_assert(detail::co_await_safe<Options>);

}  // namespace ferry::tls

#if !defined(FERRY_SEPARATE_COMPILATION)
#include <ferry/impl/tls_options.ipp>
#endif

#pragma once

#include <cstdio>
#include <deque>
#include <memory>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdexcept>
#include <string>
#include <utility>

#include <ferry/testing/scripted_stream.hpp>

#include "certificates.hpp"

namespace test {

/// A server's TLS context with a certificate of certificates.hpp and its key.
inline std::shared_ptr<SSL_CTX> server_context(const char* certificate = certificates::server,
                                               const char* key = certificates::server_key) {
  std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  if (SSL_CTX_use_certificate_chain_file(context.get(), certificate) != 1 ||
      SSL_CTX_use_PrivateKey_file(context.get(), key, SSL_FILETYPE_PEM) != 1)
    throw std::runtime_error("cannot use the certificate of the tests");
  SSL_CTX_set_session_id_context(context.get(), reinterpret_cast<const unsigned char*>("ferry"), 5);
  return context;
}

/// The server's end of TLS in a scripted stream. Each time the client has sent data, it answers
/// with the next of the script's `responses`.
///
/// Lifetime: the script's `respond` keeps it alive. Threads: one at a time.
class TlsPeer : public std::enable_shared_from_this<TlsPeer> {
 public:
  static std::shared_ptr<TlsPeer> behind(ferry::testing::Script& script,
                                         std::shared_ptr<SSL_CTX> context) {
    const std::shared_ptr<TlsPeer> peer(new TlsPeer(std::move(context)));
    script.respond = [peer](ferry::testing::Script& s) { peer->respond(s); };
    return peer;
  }

  /// Makes a proxy answer a CONNECT first; later bytes go to TLS.
  static void put_behind_tunnel(ferry::testing::Script& script) {
    script.respond = [inner = script.respond, is_open = false](ferry::testing::Script& s) mutable {
      if (is_open) return inner(s);
      if (!s.written.starts_with("CONNECT ") || !s.written.ends_with("\r\n\r\n")) return;
      is_open = true;
      s.written.clear();
      s.readable = "HTTP/1.1 200 Connection established\r\n\r\n";
    };
  }

  std::string received;          ///< The decrypted bytes from the client.
  bool closed_properly = false;  ///< True if the client's close_notify has come.
  bool says_goodbye = false;     ///< Send a close_notify after the last response.

  SSL* native_handle() noexcept { return ssl_.get(); }
  /// Encrypts bytes that answer no request, and makes them readable.
  void push(ferry::testing::Script& script, const std::string& bytes) {
    SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()));
    send(script);
  }
  void say_goodbye(ferry::testing::Script& script) {
    SSL_shutdown(ssl_.get());
    send(script);
  }
  /// Reads the bytes that the client has sent since the last call.
  bool receive(const ferry::testing::Script& script) {
    const auto fresh = script.written.substr(seen_);
    seen_ = script.written.size();
    BIO_write(SSL_get_rbio(ssl_.get()), fresh.data(), static_cast<int>(fresh.size()));
    ERR_clear_error();
    bool any = false;
    char buffer[16 * 1024];
    int count = 0;
    while ((count = SSL_read(ssl_.get(), buffer, sizeof buffer)) > 0) {
      received.append(buffer, static_cast<std::size_t>(count));
      any = true;
    }
    closed_properly |= (SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN) != 0;
    return any;
  }

 private:
  explicit TlsPeer(std::shared_ptr<SSL_CTX> context)
      : context_(std::move(context)), ssl_(SSL_new(context_.get()), SSL_free) {
    SSL_set_bio(ssl_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_accept_state(ssl_.get());
  }

  void respond(ferry::testing::Script& script) {
    if (receive(script) && !script.responses.empty()) {
      const std::string response = std::move(script.responses.front());
      script.responses.pop_front();
      push(script, response);
      if (says_goodbye && script.responses.empty()) say_goodbye(script);
    }
    send(script);
  }
  void send(ferry::testing::Script& script) {
    char buffer[16 * 1024];
    int count = 0;
    while ((count = BIO_read(SSL_get_wbio(ssl_.get()), buffer, sizeof buffer)) > 0)
      script.readable.append(buffer, static_cast<std::size_t>(count));
  }

  std::shared_ptr<SSL_CTX> context_;
  std::unique_ptr<SSL, decltype(&SSL_free)> ssl_;
  std::size_t seen_ = 0;
};

}  // namespace test

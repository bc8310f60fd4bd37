#pragma once

#include <fcntl.h>
#include <memory>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <optional>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include <asio/ssl/context.hpp>

#include <ferry/connector.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/file/file_flags.hpp>
#include <ferry/detail/tls/certificate.hpp>
#include <ferry/detail/tls/session_cache.hpp>
#include <ferry/detail/tls/stream.hpp>
#include <ferry/tls_options.hpp>

namespace ferry::inline FERRY_CONFIGURATION::detail {

class OpenSslContext final : public TlsContext,
                             public std::enable_shared_from_this<OpenSslContext> {
 public:
  explicit OpenSslContext(tls::Options options)
      : options_(std::move(options)), context_(asio::ssl::context::tls_client) {
    SSL_CTX* const native = context_.native_handle();
    SSL_CTX_set_min_proto_version(native, static_cast<int>(options_.min_version));
    SSL_CTX_set_options(native, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_mode(native,
                     SSL_MODE_RELEASE_BUFFERS);  // A kept connection is idle most of the time.
    SSL_CTX_set_session_cache_mode(native, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    if (options_.resume_sessions) SSL_CTX_sess_set_new_cb(native, on_session);
    constexpr unsigned char http_1_1[] = "\x08http/1.1";
    SSL_CTX_set_alpn_protos(native, http_1_1, sizeof http_1_1 - 1);
    set_verification();
    set_certificate();
    if (!options_.keylog_file.empty()) {
      keylog_.fd =
          ::open(options_.keylog_file.c_str(),
                 O_WRONLY | O_APPEND | O_CREAT | ferry::detail::file_flags, S_IRUSR | S_IWUSR);
      if (keylog_.fd < 0) refuse("keylog_file", "cannot write " + in_quotes(options_.keylog_file));
      SSL_CTX_set_keylog_callback(native, on_key);
    }
    if (options_.configure) options_.configure(context_);
  }

  asio::awaitable<Result<std::unique_ptr<Stream>>> handshake(std::unique_ptr<Stream> below,
                                                             DialContext& context) const override {
    using Secured = Result<std::unique_ptr<Stream>>;
    const auto begin = Clock::now();
    const auto peer = std::make_shared<Peer>();
    peer->context = shared_from_this();
    peer->host = context.host();
    // Names in certificates do not end with a dot.
    if (peer->host.ends_with('.')) peer->host.pop_back();
    peer->key = peer->host + ":" + std::to_string(context.port());
    auto ssl = open(*peer);
    if (!ssl)
      co_return Secured(Error(Errc::tls_failed, "OpenSSL cannot prepare for " + peer->host));
    auto stream = std::make_unique<TlsStream>(std::move(below), std::move(ssl), peer);
    std::error_code error;
    {
      const PhaseGuard phase{context};
      if (!context.enter(Phase::tls, context.tls_limit(), *stream))
        co_return Secured(context.error());
      co_await stream->handshake(error);
    }
    if (context.ended()) co_return Secured(context.error());
    if (error) co_return Secured(failure(error, *peer));
    TlsInfo info = describe(stream->native_handle());
    if (auto mismatch = check_pins(stream->native_handle()))
      co_return Secured(std::move(*mismatch));
    stream->set_connected(std::move(info));
    context.tls_time = Clock::now() - begin;
    co_return Secured(std::move(stream));
  }

 private:
  /// A connection's data for OpenSSL's callbacks.
  struct Peer {
    std::shared_ptr<const OpenSslContext> context;
    std::string host;
    std::string key;
    int problem = X509_V_OK;  // Error of the certificate that was rejected,
    std::string certificate;  // and the description of that certificate.
  };

  [[noreturn]] static void refuse(const char* option, std::string what) {
    throw Error(Errc::invalid_option, std::string("tls::Options::") + option + ": " + what);
  }
  /// Calls an Asio function that takes PEM text.
  template <class Function>
  static void use(const char* option, const tls::Pem& pem, Function function) {
    const std::string text = pem.read();
    std::error_code error;
    function(asio::buffer(text), error);
    if (error)
      refuse(option, (pem.path().empty() ? "the text" : in_quotes(pem.path())) +
                         " cannot be used (" + error.message() + ")");
  }

  void set_verification() {
    for (const std::string& pin : options_.pinned_public_keys)
      if (!is_pin(pin))
        refuse("pinned_public_keys", in_quotes(pin) + " is not sha256// and a hash in base64");
    if (options_.danger_accept_any_certificate)
      return context_.set_verify_mode(asio::ssl::verify_none);
    SSL_CTX_set_verify(context_.native_handle(), SSL_VERIFY_PEER, on_verify);
    if (!options_.system_roots && options_.roots.empty())
      refuse("system_roots", "is off, and there are no others: no server could be trusted");
    std::error_code error;
    if (options_.system_roots) context_.set_default_verify_paths(error);
    if (error) refuse("system_roots", error.message());
    for (const tls::Pem& pem : options_.roots) {
      use("roots", pem, [this](const auto& text, std::error_code& why) {
        context_.add_certificate_authority(text, why);
      });
    }
  }

  void set_certificate() {
    if (options_.certificate.empty() != options_.private_key.empty())
      refuse(options_.certificate.empty() ? "certificate" : "private_key",
             "is missing beside the other one");
    if (options_.certificate.empty()) return;
    context_.set_password_callback(
        [this](std::size_t, asio::ssl::context::password_purpose) { return options_.password; });
    use("certificate", options_.certificate, [this](const auto& text, std::error_code& error) {
      context_.use_certificate_chain(text, error);
    });
    use("private_key", options_.private_key, [this](const auto& text, std::error_code& error) {
      const std::string_view pem(static_cast<const char*>(text.data()), text.size());
      if (options_.password.empty() && pem.find("ENCRYPTED") != pem.npos)
        refuse("private_key", "is encrypted: tls::Options::password is missing");
      context_.use_private_key(text, asio::ssl::context::pem, error);
    });
    if (SSL_CTX_check_private_key(context_.native_handle()) != 1)
      refuse("private_key", "is not the certificate's");
  }

  std::unique_ptr<SSL, OpenSslFree> open(Peer& peer) const {
    std::unique_ptr<SSL, OpenSslFree> ssl(SSL_new(context_.native_handle()));
    if (!ssl || !SSL_set_ex_data(ssl.get(), peer_index(), &peer)) return nullptr;
    SSL_set_connect_state(ssl.get());
    std::error_code not_numeric;
    asio::ip::make_address(peer.host, not_numeric);
    X509_VERIFY_PARAM* const param = SSL_get0_param(ssl.get());
    // The subject's common name must not be used (RFC 9110 4.3.4).
    X509_VERIFY_PARAM_set_hostflags(
        param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    const bool set = not_numeric ? X509_VERIFY_PARAM_set1_host(param, peer.host.c_str(), 0) &&
                                       SSL_set_tlsext_host_name(ssl.get(), peer.host.c_str())
                                 : X509_VERIFY_PARAM_set1_ip_asc(param, peer.host.c_str());
    if (!set) return nullptr;
    if (const auto session = options_.resume_sessions ? sessions_.take(peer.key) : nullptr)
      SSL_set_session(ssl.get(), session.get());
    return ssl;
  }

  TlsInfo describe(SSL* ssl) const {
    TlsInfo info;
    info.version = SSL_get_version(ssl);
    info.cipher = SSL_get_cipher_name(ssl);
    const unsigned char* protocol = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(ssl, &protocol, &size);
    if (size > 0) info.application_protocol.assign(reinterpret_cast<const char*>(protocol), size);
    if (const X509Ptr certificate{SSL_get_peer_certificate(ssl)})
      info.subject = subject_of(*certificate);
    info.resumed = SSL_session_reused(ssl) == 1;
    // OpenSSL's own settings count, because `configure` may have changed them.
    info.verified = (SSL_get_verify_mode(ssl) & SSL_VERIFY_PEER) != 0 &&
                    SSL_get_verify_result(ssl) == X509_V_OK;
    return info;
  }

  std::optional<Error> check_pins(SSL* ssl) const {
    if (options_.pinned_public_keys.empty()) return std::nullopt;
    const X509Ptr certificate{SSL_get_peer_certificate(ssl)};
    const std::string pin = certificate ? pin_of(*certificate) : "none";
    for (const std::string& allowed : options_.pinned_public_keys)
      if (pin == allowed) return std::nullopt;
    return Error(Errc::certificate_rejected, "its public key, " + pin + ", is not a pinned one");
  }

  static Error failure(std::error_code error, const Peer& peer) {
    const auto code = static_cast<unsigned long>(error.value());
    const bool is_ssl =
        error.category() == asio::error::get_ssl_category() && ERR_GET_LIB(code) == ERR_LIB_SSL;
    const int reason = is_ssl ? ERR_GET_REASON(code) : 0;
    if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED) {
      return Error(Errc::certificate_rejected,
                   std::string(X509_verify_cert_error_string(peer.problem)) + ", for " + peer.host +
                       "; " + peer.certificate);
    }
    std::string what;
    if (error == asio::ssl::error::stream_truncated) {
      what = "the server ended the connection";
    } else if (reason == SSL_R_WRONG_VERSION_NUMBER || reason == SSL_R_HTTP_REQUEST ||
               reason == SSL_R_PACKET_LENGTH_TOO_LONG || reason == SSL_R_RECORD_TOO_SMALL) {
      what = "what the server answers is no TLS: is this a port for http?";
    }
    return Error(Errc::tls_failed, std::move(what), error);
  }

  // ---- called by OpenSSL ----

  static int peer_index() {
    static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
    return index;
  }
  static Peer& peer_of(const SSL* ssl) noexcept {
    return *static_cast<Peer*>(SSL_get_ex_data(ssl, peer_index()));
  }

  static int on_verify(int good, X509_STORE_CTX* store) noexcept {
    if (good) return good;
    const int index = SSL_get_ex_data_X509_STORE_CTX_idx();
    Peer& peer = peer_of(static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, index)));
    peer.problem = X509_STORE_CTX_get_error(store);
    try {
      if (X509* const certificate = X509_STORE_CTX_get_current_cert(store))
        peer.certificate =
            description_of(*certificate, peer.problem == X509_V_ERR_HOSTNAME_MISMATCH ||
                                             peer.problem == X509_V_ERR_IP_ADDRESS_MISMATCH);
    } catch (const std::bad_alloc&) {  // The certificate is rejected anyway.
    }
    return 0;
  }

  static int on_session(SSL* ssl, SSL_SESSION* session) noexcept {
    const Peer& peer = peer_of(ssl);
    TlsSessions::Session owned(session);
    try {
      peer.context->sessions_.put(peer.key, std::move(owned));
    } catch (const std::bad_alloc&) {  // The next connection does a full handshake.
    }
    return 1;
  }

  static void on_key(const SSL* ssl, const char* line) noexcept {
    try {
      // One write for the whole line: other processes may write to the file, too.
      const std::string text = std::string(line) + '\n';
      const auto size = static_cast<unsigned>(text.size());
      if (::write(peer_of(ssl).context->keylog_.fd, text.data(), size) < 0) return;
    } catch (const std::bad_alloc&) {
    }
  }

  struct Descriptor {
    int fd = -1;
    ~Descriptor() {
      if (fd >= 0) ::close(fd);
    }
  };

  const tls::Options options_;
  mutable asio::ssl::context context_;
  mutable TlsSessions sessions_;
  Descriptor keylog_;
};

}  // namespace ferry::detail

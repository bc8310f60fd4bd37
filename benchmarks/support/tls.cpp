#include "tls.hpp"

#include <utility>

#include <asio/ssl.hpp>

#include <ferry/tls.hpp>

#include "certificates.hpp"

namespace benchmark {

namespace {

KeepAliveServer::Serve serve_over_tls() {
  namespace certificates = test::certificates;
  auto context = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_server);
  context->use_certificate_chain_file(certificates::server);
  context->use_private_key_file(certificates::server_key, asio::ssl::context::pem);
  return
      [context](KeepAliveServer& server, KeepAliveServer::Socket socket) -> asio::awaitable<void> {
        asio::ssl::stream<KeepAliveServer::Socket> stream(std::move(socket), *context);
        asio::error_code error;
        auto token = asio::redirect_error(asio::use_awaitable, error);
        co_await stream.async_handshake(asio::ssl::stream_base::server, token);
        if (!error) co_await server.converse(stream);
      };
}

}  // namespace

Tls make_tls(bool embedded) {
  ferry::tls::Options options;
  if (embedded) {
    options.system_roots = false;
    options.roots.push_back(ferry::tls::Pem::file(test::certificates::ca));
  }
  Tls tls;
  tls.serve = serve_over_tls();
  tls.resuming = ferry::tls::context(options);
  options.resume_sessions = false;
  tls.fresh = ferry::tls::context(options);
  return tls;
}

}  // namespace benchmark

#pragma once

#include <utility>

#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/net/tcp_connector.hpp>
#include <ferry/detail/net/unix.hpp>

namespace ferry::inline FERRY_CONFIGURATION::detail {

/// Opens connections over the system's sockets: Unix if the target names a socket, else TCP.
class SocketConnector final : public Connector {
 public:
  SocketConnector(TcpOptions options, std::shared_ptr<DnsCache> dns)
      : tcp_(std::move(options), std::move(dns)) {}

  asio::awaitable<Result<std::unique_ptr<Stream>>> connect(DialContext& context) override {
    if (context.unix_path().empty()) return tcp_.connect(context);
    return unix_.connect(context);
  }

 private:
  TcpConnector tcp_;
  UnixConnector unix_;
};

}  // namespace ferry::detail

#pragma once

#include <memory>
#include <string>
#include <utility>

#include <ferry/connector.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/net/socket_stream.hpp>
#include <ferry/detail/time/one_shot_event.hpp>

namespace ferry::inline FERRY_CONFIGURATION::detail {

/// A connection to a Unix socket.
class UnixStream final : public SocketStream<asio::local::stream_protocol> {
 public:
  using SocketStream::SocketStream;

  /// Starts to connect.
  /// @param path the socket's path; a leading `@` stands for the zero byte of an abstract name.
  void connect(std::string path, std::error_code& error) {
    path_ = path;
    if (path.starts_with('@')) path[0] = '\0';
    if (!is_open() && !open({}, error)) return;
    native_connect(socket_, {path}, error);
  }

  std::string remote_endpoint() const override { return path_; }

 private:
  std::string path_;
};

/// Opens connections to Unix sockets.
class UnixConnector final : public Connector {
 public:
  asio::awaitable<Result<std::unique_ptr<Stream>>> connect(DialContext& context) override {
    using Connected = Result<std::unique_ptr<Stream>>;
    const auto begin = Clock::now();
    const auto executor = co_await asio::this_coro::executor;
    auto stream = std::make_unique<UnixStream>(executor);
    OneShotEvent ended;
    const PhaseGuard phase{context};
    if (!context.enter(Phase::connect, context.connect_limit(), ended))
      co_return Connected(context.error());
    std::error_code error;
    for (;;) {
      stream->connect(context.unix_path(), error);
      // The socket's queue is full, and no event tells when it has room again, so try once in a
      // millisecond. (Asio reports this as no space, or, after 1.22, as in progress; connecting to
      // a Unix socket is never really in progress.)
      if (error != asio::error::would_block && error != asio::error::no_buffer_space &&
          error != asio::error::in_progress)
        break;
      co_await ended.wait(Clock::now() + std::chrono::milliseconds(1));
      if (context.ended()) co_return Connected(context.error());
    }
    if (error) {
      co_return Connected(Error(error == asio::error::connection_refused ? Errc::connection_refused
                                                                         : Errc::connect_failed,
                                context.unix_path(), error));
    }
    context.connected_in = Clock::now() - begin;
    co_return Connected(std::move(stream));
  }
};

}  // namespace ferry::detail

/// @file
/// Asio alone, used as in its examples: coroutines, a prepared request, a scan for the length.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <asio.hpp>
#include <asio/ssl.hpp>

#include "peer.hpp"
#include "session.hpp"

namespace {

using asio::ip::tcp;

class Asio {
 public:
  explicit Asio(const peer::Task& task)
      : task_(task), request_(task.request()), kept_(task.concurrency) {
    if (!task.secure) return;
    tls_.emplace(asio::ssl::context::tls_client);
    tls_->load_verify_file(task.ca);
    tls_->set_verify_mode(asio::ssl::verify_peer);
    if (task.resume) peer::keep_sessions(tls_->native_handle());
  }

  void run(std::uint64_t requests, peer::Stopwatch& stopwatch) {
    unsent_ = requests;
    for (Kept& kept : kept_) {
      asio::co_spawn(context_,
                     task_.secure ? send_securely(kept, stopwatch) : send(kept, stopwatch),
                     [](std::exception_ptr failure) {
                       if (failure) std::rethrow_exception(failure);
                     });
    }
    context_.restart();
    context_.run();
  }

 private:
  using Secure = asio::ssl::stream<tcp::socket>;

  /// A connection, while it is open.
  struct Kept {
    std::optional<tcp::socket> plain;
    std::optional<Secure> secure;
  };

  asio::awaitable<void> connect(tcp::socket& socket) {
    const tcp::endpoint server(asio::ip::make_address(task_.host),
                               static_cast<std::uint16_t>(std::stoi(task_.port)));
    co_await socket.async_connect(server, asio::use_awaitable);
    socket.set_option(tcp::no_delay(true));
  }

  asio::awaitable<void> send(Kept& kept, peer::Stopwatch& stopwatch) {
    while (unsent_ > 0) {
      const auto begin = peer::Clock::now();
      if (!kept.plain) co_await connect(kept.plain.emplace(context_));
      co_await converse(*kept.plain, stopwatch, begin);
      if (task_.fresh) kept.plain.reset();
    }
  }
  asio::awaitable<void> send_securely(Kept& kept, peer::Stopwatch& stopwatch) {
    while (unsent_ > 0) {
      const auto begin = peer::Clock::now();
      if (!kept.secure) {
        Secure& stream = kept.secure.emplace(context_, *tls_);
        stream.set_verify_callback(asio::ssl::host_name_verification(task_.host));
        peer::resume_session(stream.native_handle());
        co_await connect(stream.next_layer());
        co_await stream.async_handshake(asio::ssl::stream_base::client, asio::use_awaitable);
      }
      co_await converse(*kept.secure, stopwatch, begin);
      if (!task_.fresh) continue;
      // OpenSSL does not resume the session of a connection that was cut off.
      asio::error_code ignored;
      co_await kept.secure->async_shutdown(asio::redirect_error(asio::use_awaitable, ignored));
      kept.secure.reset();
    }
  }

  template <class Stream>
  asio::awaitable<void> converse(Stream& stream, peer::Stopwatch& stopwatch,
                                 peer::Clock::time_point begin) {
    std::string buffer(16 * 1024, '\0');
    while (unsent_ > 0) {
      --unsent_;
      if (!task_.fresh) begin = peer::Clock::now();
      co_await asio::async_write(stream, asio::buffer(request_), asio::use_awaitable);
      const std::size_t count =
          co_await stream.async_read_some(asio::buffer(buffer), asio::use_awaitable);
      const auto head = peer::scan_head({buffer.data(), count});
      peer::check(head.size > 0, "no head");
      std::string body(buffer, head.size, count - head.size);
      const std::size_t early = body.size();
      body.resize(head.body);
      if (early < body.size()) {
        co_await asio::async_read(stream, asio::buffer(body.data() + early, body.size() - early),
                                  asio::use_awaitable);
      }
      peer::check_response(task_, head.status, body.size());
      stopwatch.took(begin);
      if (task_.fresh) co_return;
    }
  }

  const peer::Task task_;
  const std::string request_;
  asio::io_context context_{1};
  std::optional<asio::ssl::context> tls_;
  std::vector<Kept> kept_;
  std::uint64_t unsent_ = 0;
};

}  // namespace

int main(int count, char** arguments) { return peer::main<Asio>(count, arguments); }

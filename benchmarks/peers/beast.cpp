/// @file
/// Boost.Beast with coroutines; its buffer is large enough from the start.

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <optional>
#include <string>
#include <vector>

#include "peer.hpp"
#include "session.hpp"

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;

class Beast {
 public:
  explicit Beast(const peer::Task& task) : task_(task), kept_(task.concurrency) {
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
      beast::error_code ignored;
      co_await kept.secure->async_shutdown(asio::redirect_error(asio::use_awaitable, ignored));
      kept.secure.reset();
    }
  }

  template <class Stream>
  asio::awaitable<void> converse(Stream& stream, peer::Stopwatch& stopwatch,
                                 peer::Clock::time_point begin) {
    beast::flat_buffer buffer;
    buffer.reserve(64 * 1024);
    while (unsent_ > 0) {
      --unsent_;
      if (!task_.fresh) begin = peer::Clock::now();
      http::request<http::string_body> request(task_.upload ? http::verb::post : http::verb::get,
                                               task_.path, 11);
      request.set(http::field::host, task_.authority());
      request.set(http::field::user_agent, "peer");
      request.set(http::field::accept, "*/*");
      request.body().assign(task_.upload, 'x');
      request.keep_alive(!task_.fresh);
      request.prepare_payload();
      co_await http::async_write(stream, request, asio::use_awaitable);
      http::response_parser<http::string_body> parser;
      parser.body_limit(boost::none);
      co_await http::async_read(stream, buffer, parser, asio::use_awaitable);
      const auto& response = parser.get();
      peer::check_response(task_, response.result_int(), response.body().size());
      stopwatch.took(begin);
      if (task_.fresh) co_return;
    }
  }

  const peer::Task task_;
  asio::io_context context_{1};
  std::optional<asio::ssl::context> tls_;
  std::vector<Kept> kept_;
  std::uint64_t unsent_ = 0;
};

}  // namespace

int main(int count, char** arguments) { return peer::main<Beast>(count, arguments); }

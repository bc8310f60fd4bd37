/// @file
/// A GET with Boost.Beast, and as few of Boost.Asio's headers as that needs.

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <exception>
#include <iostream>

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;

asio::awaitable<void> run() {
  const auto executor = co_await asio::this_coro::executor;
  tcp::resolver resolver(executor);
  const auto found = co_await resolver.async_resolve("localhost", "80", asio::use_awaitable);
  tcp::socket socket(executor);
  co_await asio::async_connect(socket, found, asio::use_awaitable);
  http::request<http::empty_body> request(http::verb::get, "/", 11);
  request.set(http::field::host, "localhost");
  request.keep_alive(false);
  co_await http::async_write(socket, request, asio::use_awaitable);
  beast::flat_buffer buffer;
  http::response<http::string_body> response;
  co_await http::async_read(socket, buffer, response, asio::use_awaitable);
  std::cout << response.body() << '\n';
}

int main() {
  asio::io_context context{1};
  asio::co_spawn(context, run(), [](std::exception_ptr failure) {
    if (failure) std::rethrow_exception(failure);
  });
  context.run();
}

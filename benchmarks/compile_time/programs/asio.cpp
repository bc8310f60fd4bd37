/// @file
/// The yardstick: a GET with Asio alone, written as in Asio's examples.

#include <exception>
#include <iostream>
#include <string>

#include <asio.hpp>

using asio::ip::tcp;

asio::awaitable<void> run() {
  const auto executor = co_await asio::this_coro::executor;
  tcp::resolver resolver(executor);
  const auto found = co_await resolver.async_resolve("localhost", "80", asio::use_awaitable);
  tcp::socket socket(executor);
  co_await asio::async_connect(socket, found, asio::use_awaitable);
  const std::string request = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  co_await asio::async_write(socket, asio::buffer(request), asio::use_awaitable);
  std::string answer;
  asio::error_code error;
  co_await asio::async_read(socket, asio::dynamic_buffer(answer),
                            asio::redirect_error(asio::use_awaitable, error));
  if (error != asio::error::eof) throw asio::system_error(error);
  std::cout << answer << '\n';
}

int main() {
  asio::io_context context{1};
  asio::co_spawn(context, run(), [](std::exception_ptr failure) {
    if (failure) std::rethrow_exception(failure);
  });
  context.run();
}

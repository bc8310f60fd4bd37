// The program that the consumers build: one request, to a server of its own. If the answer is
// right, it prints ferry's version.
#include <iostream>
#include <string>

#include <asio.hpp>

#include <ferry/ferry.hpp>

using asio::ip::tcp;

asio::awaitable<void> serve(tcp::acceptor& acceptor) {
  tcp::socket socket = co_await acceptor.async_accept(asio::use_awaitable);
  std::string request;
  const auto buffer = asio::dynamic_buffer(request);
  co_await asio::async_read_until(socket, buffer, "\r\n\r\n", asio::use_awaitable);
  const std::string answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
  co_await asio::async_write(socket, asio::buffer(answer), asio::use_awaitable);
}

asio::awaitable<void> ask(std::string url) {
  const ferry::Response page = co_await ferry::get(url);
  if (page.status() == 200 && page.body() == "hello") std::cout << ferry::version << '\n';
}

int main() {
  asio::io_context context{1};
  tcp::acceptor acceptor(context, {asio::ip::address_v4::loopback(), 0});
  const auto rethrow = [](std::exception_ptr e) {
    if (e) std::rethrow_exception(e);
  };
  asio::co_spawn(context, serve(acceptor), rethrow);
  const std::string port = std::to_string(acceptor.local_endpoint().port());
  asio::co_spawn(context, ask("http://127.0.0.1:" + port), rethrow);
  context.run();
}

// In the place of main.cpp, for those who link ferry-tls: the server speaks no TLS, which OpenSSL
// has to notice. If it does, this prints ferry's version.
#include <iostream>
#include <string>

#include <asio.hpp>

#include <ferry/ferry.hpp>
#include <ferry/tls.hpp>

using asio::ip::tcp;

asio::awaitable<void> serve(tcp::acceptor& acceptor) {
  tcp::socket socket = co_await acceptor.async_accept(asio::use_awaitable);
  const std::string answer = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
  co_await asio::async_write(socket, asio::buffer(answer), asio::use_awaitable);
  char hello[4096];  // Read, so that closing resets nothing.
  co_await socket.async_read_some(asio::buffer(hello), asio::use_awaitable);
}

asio::awaitable<void> ask(std::string url) {
  ferry::ClientOptions options;
  options.tls = ferry::tls::context();
  ferry::Client client(co_await asio::this_coro::executor, options);
  const auto page = co_await client.try_send(ferry::Request::get(url));
  if (!page && page.error().code() == ferry::Errc::tls_failed) std::cout << ferry::version << '\n';
}

int main() {
  asio::io_context context{1};
  tcp::acceptor acceptor(context, {asio::ip::address_v4::loopback(), 0});
  const auto rethrow = [](std::exception_ptr e) {
    if (e) std::rethrow_exception(e);
  };
  asio::co_spawn(context, serve(acceptor), rethrow);
  const std::string port = std::to_string(acceptor.local_endpoint().port());
  asio::co_spawn(context, ask("https://127.0.0.1:" + port), rethrow);
  context.run();
}

/// @file
/// A GET with ferry.

#include <exception>
#include <iostream>

#include <asio.hpp>

#include <ferry/ferry.hpp>

asio::awaitable<void> run(ferry::Client client) {
  const ferry::Response page = co_await client.get("http://localhost/");
  std::cout << page.body() << '\n';
}

int main() {
  asio::io_context context{1};
  asio::co_spawn(context, run(ferry::Client(context)), [](std::exception_ptr failure) {
    if (failure) std::rethrow_exception(failure);
  });
  context.run();
}

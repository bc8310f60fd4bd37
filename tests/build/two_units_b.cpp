#include <ferry/ferry.hpp>
#include <ferry/testing/scripted_stream.hpp>

asio::awaitable<int> from_other_unit(ferry::Client client) {
  const auto response = co_await client.get("http://test/");
  co_return response.status();
}

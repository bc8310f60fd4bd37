#pragma once

#include <cstdint>
#include <memory>

#include <ferry/ferry.hpp>
#include <ferry/testing/mock_transport.hpp>

namespace {

/// The number of a new connection.
std::uint64_t open_connection() {
  const auto network = std::make_shared<ferry::testing::MockTransport>(
      [](const ferry::testing::MockRequest&) { return ferry::testing::MockResponse(200); });
  ferry::ClientOptions options;
  network->serve(options);
  asio::io_context context{1};
  const ferry::Client client(context, options);
  std::uint64_t id = 0;
  asio::co_spawn(context, client.get("http://localhost/"),
                 [&](std::exception_ptr thrown, ferry::Response page) {
                   if (thrown) std::rethrow_exception(thrown);
                   id = page.connection().id();
                 });
  context.run();
  return id;
}

}  // namespace

// In the place of main.cpp, for those who link every part: each does a little of its work. If all
// is right, this prints ferry's version.
#include <iostream>
#include <memory>

#include <asio.hpp>

#include <ferry/brotli.hpp>
#include <ferry/ferry.hpp>
#include <ferry/gzip.hpp>
#include <ferry/idna.hpp>
#include <ferry/nlohmann.hpp>
#include <ferry/psl.hpp>
#include <ferry/testing/mock_transport.hpp>
#include <ferry/tls.hpp>
#include <ferry/zstd.hpp>

asio::awaitable<void> ask() {
  using namespace ferry::testing;
  const auto network = std::make_shared<MockTransport>([](const MockRequest& request) {
    const nlohmann::json seen = {{"url", request.url},
                                 {"codings", request.headers.get("Accept-Encoding").value_or("")}};
    return MockResponse(200, seen.dump(), "application/json");
  });
  ferry::ClientOptions options;
  network->serve(options);
  options.idna = ferry::idna::to_ascii;
  options.codings = {ferry::gzip, ferry::brotli, ferry::zstd};
  ferry::Client client(co_await asio::this_coro::executor, options);
  const ferry::Response page = co_await client.get("http://bücher.example/");
  const nlohmann::json seen = ferry::json_of(page);
  if (seen["url"] == "http://xn--bcher-kva.example/" && seen["codings"] == "gzip, br, zstd" &&
      ferry::psl::is_public_suffix("co.uk") && ferry::tls::context())
    std::cout << ferry::version << '\n';
}

int main() {
  asio::io_context context{1};
  asio::co_spawn(context, ask(), [](std::exception_ptr e) {
    if (e) std::rethrow_exception(e);
  });
  context.run();
}

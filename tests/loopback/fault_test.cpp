// Every operation on a connection's socket fails once, and every suspension point of a request is
// cancelled once: over real sockets, with a server that takes turns with the client. The scripted
// tests do the same in memory.

#include <ferry/detail/net/dns_cache.hpp>
#include <ferry/detail/net/socket_connector.hpp>

#include "support/cancelling.hpp"
#include "support/fail_each.hpp"
#include "support/forwarding_stream.hpp"
#include "support/hostile_server.hpp"

using ferry::Client;
using ferry::Errc;
using ferry::Request;
using test::HostileServer;

namespace {

/// Counts what is done on a stream, and fails it from some operation on.
struct Fault {
  int operations = 0;
  int fail_from = 0;  // Counted from 1; 0: never.
  std::error_code failure = asio::error::connection_reset;

  bool fails(std::error_code& error) {
    ++operations;
    if (fail_from == 0 || operations < fail_from) return false;
    error = failure;
    return true;
  }
};

class FaultyStream final : public test::ForwardingStream {
 public:
  FaultyStream(std::unique_ptr<Stream> stream, std::shared_ptr<Fault> fault)
      : ForwardingStream(std::move(stream)), fault_(std::move(fault)) {}

  asio::awaitable<std::size_t> read_some(asio::mutable_buffer buffer,
                                         std::error_code& error) override {
    if (fault_->fails(error)) co_return 0;
    co_return co_await ForwardingStream::read_some(buffer, error);
  }
  asio::awaitable<std::size_t> write_some(std::span<const asio::const_buffer> buffers,
                                          std::error_code& error) override {
    if (fault_->fails(error)) co_return 0;
    co_return co_await ForwardingStream::write_some(buffers, error);
  }
  asio::awaitable<std::size_t> write_some_or_wait_readable(
      std::span<const asio::const_buffer> buffers, std::error_code& error) override {
    if (fault_->fails(error)) co_return 0;
    co_return co_await ForwardingStream::write_some_or_wait_readable(buffers, error);
  }
  std::size_t try_read_some(asio::mutable_buffer buffer, std::error_code& error) noexcept override {
    if (fault_->fails(error)) return 0;
    return ForwardingStream::try_read_some(buffer, error);
  }
  std::size_t try_write_some(std::span<const asio::const_buffer> buffers,
                             std::error_code& error) noexcept override {
    if (fault_->fails(error)) return 0;
    // Short writes: no more than 40 bytes of the first buffer.
    const asio::const_buffer part = asio::buffer(buffers.front(), 40);
    return ForwardingStream::try_write_some(std::span(&part, 1), error);
  }

 private:
  std::shared_ptr<Fault> fault_;
};

const std::string hello = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
const std::string chunked =
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";

struct Scenario {
  const char* name;
  bool post;
  bool reused;
  const std::string& response;
};
const Scenario scenarios[] = {
    {"GET", false, false, hello},
    {"GET, reused", false, true, hello},
    {"GET, chunked", false, false, chunked},
    {"GET, chunked, reused", false, true, chunked},
    {"POST", true, false, hello},
    {"POST, reused", true, true, hello},
    {"POST, chunked", true, false, chunked},
    {"POST, chunked, reused", true, true, chunked},
};

/// A scenario's request, with what went before it done; and what has to hold behind it.
struct Trial {
  explicit Trial(const Scenario& scenario)
      : fault(std::make_shared<Fault>()), server({acts(scenario)}), post(scenario.post) {
    ferry::ClientOptions options;
    // The first connection is faulty, those behind it are not.
    options.connector = std::make_shared<test::WrappingConnector>(
        std::make_shared<ferry::detail::SocketConnector>(
            ferry::TcpOptions(), std::make_shared<ferry::detail::DnsCache>(ferry::TcpOptions())),
        [first = fault](std::unique_ptr<ferry::Stream> stream) mutable {
          if (first)
            stream =
                std::make_unique<FaultyStream>(std::move(stream), std::exchange(first, nullptr));
          return stream;
        });
    client.emplace(context, options);
    if (scenario.reused) {
      server.run(context, [&]() -> asio::awaitable<void> {
        CHECK((co_await client->get(server.url())).body() == "warm-up");
      });
    }
    fault->operations = 0;
  }
  static HostileServer::Acts acts(const Scenario& scenario) {
    HostileServer::Acts acts;
    if (scenario.reused) {
      acts.push_back(HostileServer::read_request());
      acts.push_back(HostileServer::send(test::response("warm-up")));
    }
    acts.push_back(HostileServer::read_request());
    HostileServer::send_in_pieces(acts, scenario.response, {1, 10, 30, 1});
    acts.push_back(HostileServer::serve());
    return acts;
  }

  void start() {
    auto request = post ? Request::post(server.url(), ferry::Body(std::string(100, 'b')))
                        : Request::get(server.url());
    sent.start(context, client->try_send(std::move(request)));
  }
  void finish() {
    server.drive(context, [&] { return sent.completions > 0; });
    REQUIRE(sent.completions == 1);
  }
  void check_after() {
    test::check_counts(client->pool().stats());
    fault->fail_from = 0;
    server.run(context, [&]() -> asio::awaitable<void> {
      const auto next = co_await client->try_send(Request::get(server.url()));
      REQUIRE(next);
      // Where the first request never began, this is the one that is answered.
      CHECK((next->body() == "clean" || next->body() == "hello"));
    });
    CHECK(sent.completions == 1);
  }

  asio::io_context context{1};
  std::shared_ptr<Fault> fault;
  HostileServer server;
  std::optional<Client> client;
  bool post;
  test::Cancellable<ferry::Response> sent;
};

}  // namespace

TEST_CASE("[1] [31] [33] [62] every operation on a socket fails once, writes are short") {
  for (const Scenario& scenario : scenarios) {
    CAPTURE(scenario.name);
    for (const auto failure : {asio::error::connection_reset, asio::error::broken_pipe}) {
      test::fail_each_step(1, 100, [&](int n) {
        Trial trial(scenario);
        trial.fault->fail_from = n;
        trial.fault->failure = failure;
        trial.start();
        trial.finish();
        const bool succeeded = trial.fault->operations < n;
        const auto& result = trial.sent.result;
        if (succeeded) {
          CHECK(result->body() == "hello");
        } else if (result) {
          CHECK(scenario.reused);             // Only a kept connection is replaced,
          CHECK((!scenario.post || n == 1));  // and under a POST only if nothing was written.
          CHECK_FALSE(result->connection().retry_reason.empty());
        } else {
          CHECK(test::is_broken_off(result.error().code()));
          CHECK(result.error().cause() == failure);
        }
        trial.check_after();
        return succeeded;
      });
    }
  }
}

TEST_CASE("[58] every suspension point is cancelled once, over real sockets") {
  for (const Scenario& scenario : scenarios) {
    CAPTURE(scenario.name);
    test::fail_each_step(0, 1000, [&](int steps) {
      Trial trial(scenario);
      trial.context.restart();
      trial.start();
      for (int i = 0; i < steps; ++i)
        if (trial.context.poll_one() == 0) trial.server.step();
      const bool finished = trial.sent.completions == 1;
      trial.sent.cancel();
      trial.finish();
      const auto& result = trial.sent.result;
      if (finished)
        CHECK(result->body() == "hello");
      else if (!result)
        CHECK(test::code_of(result) == Errc::cancelled);
      trial.check_after();
      return finished;
    });
  }
}

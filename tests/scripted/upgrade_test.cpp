// Connections that leave HTTP for another protocol (RFC 9110 7.8).

#include <memory>
#include <string>
#include <utility>

#include <asio/read.hpp>
#include <asio/write.hpp>

#include <ferry/async_stream.hpp>

#include "support/hostile_cases.hpp"
#include "support/scripted.hpp"

using ferry::Client;
using ferry::ClientOptions;
using ferry::Errc;
using ferry::Request;
using ferry::testing::Script;
using test::ok;
using test::script;
using test::Scripted;

namespace {

const std::string switching =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";

Request asking() { return Request::get("http://test/chat").header("Upgrade", "echo"); }

}  // namespace

TEST_CASE("an upgrade hands over the stream, with what came behind the 101, in any pieces") {
  for (const std::size_t size : {std::size_t{1}, std::size_t{50}, ferry::no_limit}) {
    CAPTURE(size);
    ClientOptions options;
    std::string reason;
    options.observer = [&](const ferry::Event& event) {
      if (event.kind == ferry::Event::Kind::connection_closed) reason = to_string(event.reason);
    };
    auto one = script({"HTTP/1.1 103 Early Hints\r\n\r\n" + switching + "hello", "again"});
    one->read_size = size;
    Scripted s(one, options);
    test::run(s.context, [&]() -> asio::awaitable<void> {
      ferry::Upgraded up = co_await s.client->upgrade(asking());
      REQUIRE(up);
      CHECK(up.response.status() == 101);
      CHECK(up.response.headers().get("upgrade") == "echo");
      CHECK(s.client->pool().stats().closed == 1);
      CHECK(s.client->pool().stats().active == 0);
      CHECK(reason == "taken over by another protocol");
      CHECK(one->written.find("\r\nConnection: Upgrade\r\n") != std::string::npos);
      CHECK(one->written.find("\r\nUpgrade: echo\r\n") != std::string::npos);

      CHECK_FALSE(one->closed);
      std::string text = up.received;
      const auto read = [&](std::size_t count) -> asio::awaitable<void> {
        std::error_code error;
        char buffer[16];
        while (text.size() < count && !error)
          text.append(buffer, co_await up.stream->read_some(asio::buffer(buffer), error));
        CHECK_FALSE(error);
      };
      co_await read(5);
      CHECK(text == "hello");
      std::error_code error;
      const auto ping = asio::buffer("ping", 4);
      const asio::const_buffer part = ping;
      co_await up.stream->write_some(std::span(&part, 1), error);
      co_await read(10);
      CHECK(text == "helloagain");
      CHECK(one->written.ends_with("ping"));
    });
    CHECK(one->closed);  // With its holder.
    CHECK(s.pool() == test::none);
  }
}

TEST_CASE("[73] a 101 has no body, whatever it says of one") {
  for (const std::string& fields : test::contradictory_framing()) {
    CAPTURE(fields);
    Scripted s(script({switching.substr(0, switching.size() - 2) + fields + "\r\nhello"}));
    test::run(s.context, [&]() -> asio::awaitable<void> {
      const ferry::Upgraded up = co_await s.client->upgrade(asking());
      CHECK(up);
      CHECK(up.received == "hello");
    });
  }
}

TEST_CASE("a server that will not switch has answered, and its connection is kept") {
  Scripted s(script({"HTTP/1.1 426 Upgrade Required\r\nContent-Length: 2\r\n\r\nno", ok("yes")}));
  test::run(s.context, [&]() -> asio::awaitable<void> {
    const ferry::Upgraded up = co_await s.client->upgrade(asking());
    CHECK_FALSE(up);
    CHECK(up.response.status() == 426);
    CHECK(up.response.body() == "no");
  });
  CHECK(s.pool() == test::idle);
  CHECK(s.get()->connection().reused);
}

TEST_CASE("[23] only an upgrade takes a 101") {
  Scripted s(script({switching}));
  const auto result = s.send(asking().header("Connection", "Upgrade"));
  CHECK(test::code_of(result) == Errc::unexpected_upgrade);
  CHECK(s.pool() == test::none);
}

TEST_CASE("[23] a 101 that comes before the request is sent is an error") {
  auto hasty = script({});
  Scripted s(hasty);
  std::error_code code;
  test::run(s.context, [&]() -> asio::awaitable<void> {
    const auto give = [&](std::span<char> room) -> std::size_t {
      hasty->early_response = switching;
      hasty->writes_block = true;
      hasty->write_size = 10;
      room[0] = 'x';
      return 1;
    };
    try {
      co_await s.client->upgrade(asking().body(ferry::pull(give, 5)));
    } catch (const ferry::Error& error) {
      code = error.code();
    }
  });
  CHECK(code == Errc::unexpected_upgrade);
  CHECK(s.pool() == test::none);
}

TEST_CASE("what a request says of its connection stays beside the upgrade") {
  auto one = script({ok("no")});
  Scripted s(one);
  test::run(s.context, [&]() -> asio::awaitable<void> {
    co_await s.client->upgrade(asking().header("Connection", "HTTP2-Settings"));
  });
  CHECK(one->written.find("\r\nConnection: HTTP2-Settings\r\n") != std::string::npos);
  CHECK(one->written.find("\r\nConnection: Upgrade\r\n") != std::string::npos);
}

TEST_CASE("an upgrade to nothing is refused before anything is sent") {
  auto one = script({switching});
  Scripted s(one);
  bool refused = false;
  test::run(s.context, [&]() -> asio::awaitable<void> {
    try {
      co_await s.client->upgrade(Request::get("http://test/"));
    } catch (const ferry::Error& error) {
      refused = error.code() == Errc::invalid_header;
    }
  });
  CHECK(refused);
  CHECK(one->written.empty());
}

TEST_CASE("[31] an upgrade on a stale connection is asked for once more") {
  Scripted s({script({ok("one")}, Script::End::eof), script({switching})});
  CHECK(s.get());
  test::run(s.context, [&]() -> asio::awaitable<void> {
    const ferry::Upgraded up = co_await s.client->upgrade(asking());
    CHECK(up);
    CHECK_FALSE(up.response.connection().retry_reason.empty());
  });
}

TEST_CASE("an upgraded connection in Asio's own operations") {
  auto one = script({switching + "hello ", "world"}, Script::End::eof);
  one->read_size = 70;
  one->write_size = 2;
  Scripted s(one);
  test::run(s.context, [&]() -> asio::awaitable<void> {
    ferry::Upgraded up = co_await s.client->upgrade(asking());
    REQUIRE(up);
    ferry::AsyncStream stream(s.context.get_executor(), std::move(up));
    const auto written =
        co_await asio::async_write(stream, asio::buffer("ping", 4), asio::use_awaitable);
    CHECK(written == 4);
    CHECK(one->written.ends_with("ping"));
    std::string text;
    co_await asio::async_read(stream, asio::dynamic_buffer(text), asio::transfer_exactly(11),
                              asio::use_awaitable);
    CHECK(text == "hello world");
    std::error_code error;
    auto token = asio::redirect_error(asio::use_awaitable, error);
    co_await asio::async_read(stream, asio::dynamic_buffer(text), asio::transfer_at_least(1),
                              token);
    CHECK(error == asio::error::eof);
  });
  CHECK(one->closed);
}

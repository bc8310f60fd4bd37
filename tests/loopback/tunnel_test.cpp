// HTTPS through proxies: tunnels, over real sockets.

#include <string>
#include <utility>
#include <vector>

#include <ferry/authenticator.hpp>

#include "support/hostile_cases.hpp"
#include "support/run.hpp"
#include "support/server.hpp"
#include "support/tls_front.hpp"
#include "support/trusting.hpp"

using namespace std::chrono_literals;
using ferry::Client;
using ferry::ClientOptions;
using ferry::Errc;
using ferry::ProxyOptions;
using ferry::Request;
using test::code_of;
using test::Server;
using test::TlsFront;

namespace {

asio::awaitable<void> pump(asio::ip::tcp::socket& from, asio::ip::tcp::socket& to) {
  std::array<char, 4096> buffer;
  std::error_code error;
  auto token = asio::redirect_error(asio::use_awaitable, error);
  while (!error) {
    const auto count = co_await from.async_read_some(asio::buffer(buffer), token);
    if (!error) co_await asio::async_write(to, asio::buffer(buffer, count), token);
  }
  to.shutdown(asio::ip::tcp::socket::shutdown_send, error);
}
asio::awaitable<void> pump_back(std::shared_ptr<asio::ip::tcp::socket> origin,
                                std::shared_ptr<test::Peer> peer) {
  co_await pump(*origin, peer->socket());
}

/// A proxy that tunnels to 127.0.0.1, whatever the host is; notes what it is told.
struct TunnelProxy {
  std::string fields = {};  ///< In its success.
  std::vector<std::string> heads = {};
  Server server{[this](std::shared_ptr<test::Peer> peer) -> asio::awaitable<void> {
    const std::string head = co_await peer->read_request();
    if (head.empty()) co_return;
    heads.push_back(head);
    const auto target = head.substr(8, head.find(" HTTP") - 8);
    const auto port = static_cast<std::uint16_t>(std::stoi(target.substr(target.rfind(':') + 1)));
    auto origin = std::make_shared<asio::ip::tcp::socket>(peer->socket().get_executor());
    co_await origin->async_connect({asio::ip::address_v4::loopback(), port}, asio::use_awaitable);
    co_await peer->write("HTTP/1.1 200 Connection established\r\n" + fields + "\r\n");
    asio::co_spawn(peer->socket().get_executor(), pump_back(origin, peer), asio::detached);
    co_await pump(peer->socket(), *origin);
  }};
};

ClientOptions through(const std::string& proxy) {
  ClientOptions options = test::trusting();
  options.proxy = ProxyOptions(proxy);
  return options;
}

}  // namespace

TEST_CASE(
    "[36] [47] HTTPS through a tunnel: the proxy hears host and port, the origin nothing of it") {
  std::string seen;
  Server server([&](std::shared_ptr<test::Peer> peer) -> asio::awaitable<void> {
    for (;;) {
      seen = co_await peer->read_request();
      if (seen.empty()) co_return;
      co_await peer->write(test::response("x"));
    }
  });
  const TlsFront front(server.port());
  TunnelProxy proxy;
  asio::io_context context{1};
  const Client client(context,
                      through("http://me:secret@127.0.0.1:" + std::to_string(proxy.server.port())));
  test::run(context, [&]() -> asio::awaitable<void> {
    for (int i = 0; i < 3; ++i) {
      const auto response = co_await client.get(front.url("/path?q=hidden"));
      CHECK(response.body() == "x");
      CHECK(response.connection().reused == (i > 0));
    }
    CHECK(seen.starts_with("GET /path?q=hidden HTTP/1.1\r\n"));
    CHECK(seen.find("Proxy-") == std::string::npos);
    client.pool().close_idle();
  });
  REQUIRE(proxy.heads.size() == 1);
  const std::string authority = front.url().substr(8, front.url().size() - 9);
  CHECK(proxy.heads[0] == "CONNECT " + authority + " HTTP/1.1\r\nHost: " + authority +
                              "\r\nProxy-Authorization: Basic bWU6c2VjcmV0\r\n\r\n");
}

TEST_CASE("a proxy that is spoken to over TLS: TLS within TLS") {
  Server server;
  const TlsFront front(server.port());
  TunnelProxy proxy;
  const TlsFront proxy_front(proxy.server.port());
  asio::io_context context{1};
  const Client client(context, through(proxy_front.url("")));
  const std::string large(1'000'000, 'x');
  test::run(context, [&]() -> asio::awaitable<void> {
    CHECK((co_await client.get(front.url("/path"))).body() == "/path");
    CHECK((co_await client.post(front.url("/post"), ferry::Body(large))).body() == "/post");
    client.pool().close_idle();
  });
  CHECK(proxy.heads.size() == 1);
}

TEST_CASE("[57] a total limit that passes in a proxy's tunnel says so") {
  Server silent(Server::silent());
  asio::io_context context{1};
  const Client client(context, through(silent.origin()));
  test::run(context, [&]() -> asio::awaitable<void> {
    const auto result =
        co_await client.try_send(Request::get("https://ferry.test/"), {.timeout = 10ms});
    CHECK(code_of(result) == Errc::total_timeout);
    CHECK(result.error().phase() == ferry::Phase::proxy);
  });
}

TEST_CASE("a proxy that opens no tunnel: why, in the phase; nothing is kept") {
  struct Case {
    std::string answer;
    Errc code;
    const char* text;
  };
  const Case cases[] = {
      {"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n",
       Errc::proxy_authentication_required, "407"},
      {"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 4\r\n\r\nsad!", Errc::proxy_refused,
       "502 Bad Gateway"},
      {"HTTP/1.1 301 Moved\r\nLocation: /\r\n\r\n", Errc::proxy_refused, "301"},
      {"SSH-2.0-OpenSSH\r\n", Errc::proxy_failed, "status line"},
      {"HTTP/1.1 200 OK\r\n\r\nand more", Errc::proxy_failed, "goes on"},
      {"HTTP/1.1 200", Errc::proxy_failed, "ended"},
      {"HTTP/1.1 200 OK\r\nX: " + std::string(20'000, 'x') + "\r\n\r\n", Errc::proxy_failed,
       "larger"},
  };
  for (const Case& one : cases) {
    CAPTURE(std::string(one.text));
    Server proxy(Server::raw({one.answer}));
    asio::io_context context{1};
    const Client client(context, through(proxy.origin()));
    test::run(context, [&]() -> asio::awaitable<void> {
      const auto result = co_await client.try_send(Request::get("https://ferry.test/?hidden"));
      CHECK(code_of(result) == one.code);
      if (result) co_return;
      CHECK(result.error().phase() == ferry::Phase::proxy);
      const std::string what = result.error().what();
      CAPTURE(what);
      CHECK(what.find(one.text) != std::string::npos);
      CHECK(what.find("hidden") == std::string::npos);
    });
    CHECK(client.pool().stats().idle == 0);
  }
}

TEST_CASE("[73] what a proxy's answer to CONNECT says of a body is ignored") {
  Server server;
  const TlsFront front(server.port());
  for (const std::string& fields : test::contradictory_framing()) {
    CAPTURE(fields);
    TunnelProxy proxy{fields};
    Server refusing(Server::raw({"HTTP/1.1 502 Bad Gateway\r\n" + fields + "\r\nhello"}));
    Server asking(Server::raw({"HTTP/1.1 407 Log In\r\n" + fields + "\r\nhello"}));
    asio::io_context context{1};
    test::run(context, [&]() -> asio::awaitable<void> {
      const auto get = [&](const Server& through_it) {
        const Client client(context, through(through_it.origin()));
        return client.try_send(Request::get(front.url("/path")));
      };
      const auto response = co_await get(proxy.server);
      REQUIRE(response);
      CHECK(response->body() == "/path");
      const auto refused = co_await get(refusing);
      REQUIRE_FALSE(refused);
      CHECK(refused.error().code() == Errc::proxy_refused);
      CHECK(std::string(refused.error().what()).find("502 Bad Gateway") != std::string::npos);
      const auto asked = co_await get(asking);
      CHECK(code_of(asked) == Errc::proxy_authentication_required);
    });
  }
}

TEST_CASE("a proxy that tunnels may ask for other credentials") {
  class Own final : public ferry::Authenticator {
   public:
    std::optional<std::string> authorize_now(const ferry::AuthContext& context) override {
      CHECK(context.proxy);
      CHECK(context.method == "CONNECT");
      CHECK(context.target == "ferry.test:443");
      if (!context.challenge) return "";
      return "Own " + std::string(context.challenge->get("Proxy-Authenticate").value());
    }
    bool challenged(const ferry::AuthContext& context) override { return context.challenges == 1; }
  };
  std::vector<std::string> heads;
  Server proxy([&](std::shared_ptr<test::Peer> peer) -> asio::awaitable<void> {
    heads.push_back(co_await peer->read_request());
    if (heads.back().find("Proxy-Authorization: Own nonce\r\n") == std::string::npos)
      co_await peer->write(
          "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: "
          "nonce\r\nContent-Length: 0\r\n\r\n");
    else
      co_await peer->write("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n");
    co_await peer->wait_closed();
  });
  asio::io_context context{1};
  ClientOptions options = through(proxy.origin());
  options.proxy.auth = std::make_shared<Own>();
  const Client client(context, options);
  test::run(context, [&]() -> asio::awaitable<void> {
    const auto result = co_await client.try_send(Request::get("https://ferry.test/"));
    CHECK(code_of(result) == Errc::proxy_refused);  // It had let us in, and then could not.
  });
  REQUIRE(heads.size() == 2);
  CHECK(heads[0].find("Proxy-Authorization") == std::string::npos);
  CHECK(client.pool().stats().idle == 0);
}

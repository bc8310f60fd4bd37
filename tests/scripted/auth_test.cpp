// Credentials and cookies on their way: to whom they go, and to whom not.

#include <cstdio>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>

#include <ferry/auth.hpp>
#include <ferry/cookie_store.hpp>
#include <ferry/testing/mock_transport.hpp>

#include "support/run.hpp"

using ferry::AuthContext;
using ferry::Authenticator;
using ferry::ClientOptions;
using ferry::Errc;
using ferry::Request;
using ferry::testing::MockRequest;
using ferry::testing::MockResponse;
using ferry::testing::MockTransport;

namespace {

/// A client, and what servers have seen of credentials: "origin path Authorization Cookie".
struct Mocked {
  explicit Mocked(ClientOptions options, MockTransport::Handler handler = nullptr)
      : network(std::make_shared<MockTransport>(handler ? handler : answer)) {
    network->serve(options);
    client.emplace(context, std::move(options));
  }
  static MockResponse answer(const MockRequest& request) {
    const auto to = request.url.find("?to=");
    if (to == std::string::npos) return MockResponse(200, "ok");
    MockResponse response(302);
    response.headers.set("Location", request.url.substr(to + 4));
    return response;
  }
  ferry::Result<ferry::Response> send(Request request) {
    ferry::Result<ferry::Response> result;
    test::run(context, [&]() -> asio::awaitable<void> {
      auto sent = co_await client->try_send(std::move(request));
      result = std::move(sent);
    });
    return result;
  }
  std::vector<std::string> seen(const char* field = "Authorization") const {
    std::vector<std::string> all;
    for (const MockRequest& request : network->requests())
      all.emplace_back(request.headers.get(field).value_or("-"));
    return all;
  }

  asio::io_context context{1};
  std::shared_ptr<MockTransport> network;
  std::optional<ferry::Client> client;
};

ClientOptions with(std::shared_ptr<Authenticator> auth) {
  ClientOptions options;
  options.auth = std::move(auth);
  return options;
}

using Seen = std::vector<std::string>;

/// Fetches a token, and another one when the first is refused.
class Tokens final : public Authenticator {
 public:
  asio::awaitable<std::string> authorize(AuthContext context) override {
    co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
    if (fails) throw ferry::Error(Errc::invalid_option, "there are no tokens");
    co_return "Bearer " + std::to_string(context.challenges + first);
  }
  bool challenged(const AuthContext& context) override {
    CHECK(context.challenge->get("WWW-Authenticate") == "Bearer");
    CHECK(context.sent == "Bearer " + std::to_string(context.challenges - 1 + first));
    return true;
  }
  void answered(const AuthContext&, const ferry::Headers&) override { ++answers; }

  int first = 1;
  int answers = 0;
  bool fails = false;
};

MockResponse only_token_2(const MockRequest& request) {
  if (request.headers.get("Authorization") == "Bearer 2") return MockResponse(200, request.body);
  MockResponse response(401, "who are you?");
  response.headers.set("WWW-Authenticate", "Bearer");
  return response;
}

/// Keeps what it is given, and gives all to everybody.
class Crumbs final : public ferry::CookieStore {
 public:
  std::string cookies_for(const ferry::Url& url) override {
    asked.emplace_back(url.origin());
    return kept;
  }
  void take(const ferry::Url& url, const ferry::Headers& response) override {
    if (const auto cookie = response.get("Set-Cookie"))
      kept = std::string(*cookie) + " of " + std::string(url.host());
  }
  std::string kept;
  std::vector<std::string> asked;
};

}  // namespace

TEST_CASE("a client's credentials go with every request, a request's own before them") {
  Mocked m(with(ferry::basic("user", "pass")));
  CHECK(m.send(Request::get("http://a.test/")));
  CHECK(m.send(Request::get("http://a.test/").auth(ferry::bearer("t"))));
  CHECK(m.send(Request::get("http://a.test/").header("Authorization", "Own x")));
  CHECK(m.send(Request::get("http://a.test/").header("Authorization", "")));
  CHECK(m.seen() == Seen{"Basic dXNlcjpwYXNz", "Bearer t", "Own x", "-"});

  ClientOptions options = with(ferry::basic("user", "pass"));
  options.headers.add("Authorization", "Default x");
  Mocked own(options);
  CHECK(own.send(Request::get("http://a.test/")));
  CHECK(own.send(Request::get("http://a.test/").auth(ferry::bearer("t"))));
  CHECK(own.seen() == Seen{"Default x", "Bearer t"});
}

TEST_CASE("[47] userinfo in a URL is Basic authentication, and is seen nowhere else") {
  Mocked m{ClientOptions()};
  const auto response = m.send(Request::get("http://us%65r:p%40ss@a.test/x"));
  REQUIRE(response);
  CHECK(response->url().str() == "http://a.test/x");
  CHECK(m.seen() == Seen{"Basic dXNlcjpwQHNz"});
  CHECK(m.network->requests()[0].url == "http://a.test/x");
  CHECK(m.send(Request::get("http://user:pass@a.test/").auth(ferry::bearer("t"))));
  CHECK(m.send(Request::get("http://user:pass@a.test/?to=http://b.test/")));
  CHECK(m.seen() == Seen{"Basic dXNlcjpwQHNz", "Bearer t", "Basic dXNlcjpwYXNz", "-"});
  const auto bad = m.send(Request::get("http://user:hunter2%0A@a.test/"));
  CHECK(test::code_of(bad) == Errc::invalid_url);
  CHECK(std::string(bad.error().what()).find("hunter2") == std::string::npos);
}

TEST_CASE("[47] userinfo counts beside an authenticator that has nothing for the host") {
  const std::string basic = "Basic dXNlcjpwYXNz";
  /// Has nothing to say before it is asked, as Digest has.
  class Silent final : public Authenticator {
   public:
    std::optional<std::string> authorize_now(const AuthContext&) override { return ""; }
  };
  const std::string path = "auth_test." + std::to_string(::getpid()) + ".netrc";
  std::ofstream(path) << "machine b.test login b password c machine none.test";
  const auto of_file = ferry::netrc(path);
  std::remove(path.c_str());
  const auto bound = ferry::only_for("http://b.test", ferry::bearer("t"));
  for (const auto& [auth, own] :
       {std::pair(of_file, "Basic Yjpj"), std::pair(bound, "Bearer t"),
        std::pair(ferry::only_for("http://b.test", bound), "Bearer t"),
        std::pair(ferry::only_for("http://b.test", of_file), "Basic Yjpj"),
        std::pair(ferry::only_for("http://b.test", std::make_shared<Silent>()), "-")}) {
    CAPTURE(std::string(own));
    Mocked m(with(auth));
    CHECK(m.send(Request::get("http://user:pass@a.test/")));
    CHECK(m.send(Request::get("http://user:pass@b.test/")));  // The authenticator's win.
    CHECK(m.send(Request::get("http://a.test/")));
    CHECK(m.send(Request::get("http://user:pass@none.test/")));
    CHECK(m.seen() == Seen{basic, own, "-", basic});

    // A redirect takes them along on their origin, and to no other; nor do they come back.
    Mocked led(with(auth));
    CHECK(led.send(Request::get("http://user:pass@a.test/?to=/same")));
    CHECK(led.send(Request::get("http://user:pass@a.test/?to=http://b.test/?to=http://a.test/x")));
    CHECK(led.seen() == Seen{basic, basic, basic, own, "-"});
    CHECK(test::code_of(led.send(Request::get("http://a.test/?to=http://user:pass@a.test/"))) ==
          Errc::invalid_redirect);
    CHECK(led.seen().back() == "-");

    // A field of one's own wins, even one that keeps any from being sent.
    Mocked field(with(auth));
    CHECK(field.send(Request::get("http://user:pass@a.test/").header("Authorization", "Own x")));
    CHECK(field.send(Request::get("http://user:pass@a.test/").header("Authorization", "")));
    CHECK(field.seen() == Seen{"Own x", "-"});
    ClientOptions options = with(auth);
    options.headers.add("Authorization", "Default x");
    options.base_url = "http://user:pass@a.test/";
    Mocked client(options);
    CHECK(client.send(Request::get("/")));
    CHECK(client.seen() == Seen{"Default x"});

    // A request's own authenticator is asked instead of the client's.
    Mocked both(with(ferry::bearer("other")));
    CHECK(both.send(Request::get("http://user:pass@a.test/").auth(auth)));
    CHECK(both.send(Request::get("http://user:pass@a.test/")));
    CHECK(both.seen() == Seen{basic, "Bearer other"});
  }
  ClientOptions options = with(bound);
  options.base_url = "http://user:pass@a.test/";
  Mocked based(options);
  CHECK(based.send(Request::get("/x")));
  CHECK(based.seen() == Seen{basic});
  // One that has credentials, if only when it is asked, is not undermined by Basic.
  Mocked silent(with(std::make_shared<Silent>()));
  CHECK(silent.send(Request::get("http://user:pass@a.test/")));
  CHECK(silent.seen() == Seen{"-"});
}

TEST_CASE("[48] [49] credentials stay with the origin that they were set for") {
  Mocked m(with(ferry::basic("user", "pass")));
  CHECK(m.send(Request::get("http://a.test/?to=/same")));
  CHECK(m.send(Request::get("http://a.test/?to=http://b.test/?to=http://a.test/back")));
  CHECK(m.seen() ==
        Seen{"Basic dXNlcjpwYXNz", "Basic dXNlcjpwYXNz", "Basic dXNlcjpwYXNz", "-", "-"});

  // One that knows to whom it speaks may be asked again.
  Mocked bound(with(ferry::only_for("http://a.test", ferry::bearer("t"))));
  CHECK(bound.send(Request::get("http://a.test/?to=http://b.test/?to=http://a.test/back")));
  CHECK(bound.send(Request::get("http://b.test/")));
  CHECK(bound.seen() == Seen{"Bearer t", "-", "Bearer t", "-"});
}

TEST_CASE("a token may have to be waited for, and is replaced when it is refused") {
  const auto tokens = std::make_shared<Tokens>();
  Mocked m(with(tokens), only_token_2);
  const auto response = m.send(Request::post("http://a.test/", ferry::Body("hello")));
  REQUIRE(response);
  CHECK(response->body() == "hello");
  CHECK(response->connection().retry_reason == "the server asked for credentials");
  CHECK(m.seen() == Seen{"Bearer 1", "Bearer 2"});
  CHECK(m.network->connections() == 1);
  CHECK(tokens->answers == 1);

  tokens->first = 5;  // All of which are refused: the last refusal is the answer.
  const auto refused = m.send(Request::get("http://a.test/"));
  CHECK(refused->status() == 401);
  CHECK(refused->body() == "who are you?");
  CHECK(m.network->requests().size() == 2 + 1 + Authenticator::max_challenges);

  tokens->fails = true;
  CHECK(test::code_of(m.send(Request::get("http://a.test/"))) == Errc::invalid_option);
}

TEST_CASE("with an answer comes which credentials it is the answer to") {
  /// Says what it sends, and hears what that came to.
  class Heard final : public Authenticator {
   public:
    std::optional<std::string> authorize_now(const AuthContext&) override {
      return "Own " + std::to_string(++uses);
    }
    bool challenged(const AuthContext& context) override { return context.challenges == 1; }
    void answered(const AuthContext& context, const ferry::Headers& response) override {
      heard.push_back(std::string(response.get("X-At").value()) +
                      (context.proxy ? " by proxy" : "") + ": " + std::string(context.sent));
    }
    int uses = 0;
    Seen heard;
  };
  const auto handler = [](const MockRequest& request) {
    MockResponse response = Mocked::answer(request);
    if (request.headers.get("Authorization") == "Own 2") response.status = 401;
    response.headers.set("X-At", request.url.substr(request.url.rfind('/')));
    return response;
  };
  const auto heard = std::make_shared<Heard>();
  Mocked m(with(heard), handler);
  CHECK(m.send(Request::get("http://a.test/1")));
  CHECK(m.send(Request::get("http://a.test/2")));
  CHECK(m.send(Request::get("http://a.test/3?to=/4")));
  CHECK(heard->heard == Seen{"/1: Own 1", "/2: Own 3", "/4: Own 4", "/4: Own 5"});

  const auto by_proxy = std::make_shared<Heard>();
  ClientOptions options;
  options.proxy = ferry::ProxyOptions("http://proxy.test");
  options.proxy.auth = by_proxy;
  Mocked proxied(options, handler);
  CHECK(proxied.send(Request::get("http://a.test/1")));
  CHECK(proxied.send(Request::get("http://a.test/3?to=http://a.test/4")));
  CHECK(by_proxy->heard == Seen{"/1 by proxy: Own 1", "/4 by proxy: Own 2", "/4 by proxy: Own 3"});
}

TEST_CASE("streams are authorized, too; a body that cannot be sent again is not") {
  Mocked m(with(std::make_shared<Tokens>()), only_token_2);
  test::run(m.context, [&]() -> asio::awaitable<void> {
    ferry::ResponseStream stream = co_await m.client->stream("http://a.test/");
    CHECK(stream.status() == 200);
    co_await stream.read_all();
  });
  const auto give = [left = 1](std::span<char> room) mutable {
    if (left-- <= 0) return std::size_t{0};
    room[0] = 'x';
    return std::size_t{1};
  };
  const auto once = m.send(Request::put("http://a.test/", ferry::pull(give)));
  CHECK(once->status() == 401);
  CHECK(m.network->connections() == 1);
}

TEST_CASE("credentials that cannot be sent are an error that does not show them") {
  class Bad final : public Authenticator {
   public:
    std::optional<std::string> authorize_now(const AuthContext&) override {
      return "Bearer hunter2\r\nX: y";
    }
  };
  Mocked m(with(std::make_shared<Bad>()));
  const auto result = m.send(Request::get("http://a.test/"));
  CHECK(test::code_of(result) == Errc::invalid_header);
  CHECK(std::string(result.error().what()).find("hunter2") == std::string::npos);
  CHECK(m.network->requests().empty());
}

TEST_CASE("[58] cancelled while a token is fetched") {
  Mocked m(with(std::make_shared<Tokens>()), only_token_2);
  for (int steps = 0; steps < 3; ++steps) {
    asio::cancellation_signal signal;
    ferry::Result<ferry::Response> result;
    m.context.restart();
    asio::co_spawn(m.context, m.client->try_send(Request::get("http://a.test/")),
                   asio::bind_cancellation_slot(
                       signal.slot(), [&](std::exception_ptr e, ferry::Result<ferry::Response> r) {
                         if (e) r = ferry::Error(Errc::cancelled);
                         result = std::move(r);
                       }));
    for (int i = 0; i < steps; ++i) m.context.poll_one();
    signal.emit(asio::cancellation_type::terminal);
    m.context.restart();
    m.context.run();
    CHECK(test::code_of(result) == Errc::cancelled);
    CHECK(m.client->pool().stats().active == 0);
  }
}

TEST_CASE("cookies: asked for at each hop, taken from each answer; a request's own instead") {
  const auto crumbs = std::make_shared<Crumbs>();
  ClientOptions options;
  options.cookies = crumbs;
  Mocked m(options, [](const MockRequest& request) {
    MockResponse response = Mocked::answer(request);
    if (response.status == 302) response.headers.set("Set-Cookie", "a=1");
    return response;
  });
  CHECK(m.send(Request::get("http://a.test/?to=http://b.test/")));
  CHECK(m.send(Request::get("http://a.test/").header("Cookie", "own=1")));
  CHECK(m.send(Request::get("http://a.test/?to=http://b.test/").header("Cookie", "own=1")));
  CHECK(m.send(Request::get("http://a.test/?to=http://b.test/").header("Cookie", "")));
  CHECK(m.seen("Cookie") ==
        Seen{"-", "a=1 of a.test", "own=1", "own=1", "a=1 of a.test", "-", "-"});
  CHECK(crumbs->asked == Seen{"http://a.test", "http://b.test", "http://b.test"});
}

TEST_CASE("[43] a store of cookies cannot write into the head") {
  const auto crumbs = std::make_shared<Crumbs>();
  crumbs->kept = "a=hunter2\r\nX-Injected: 1";
  ClientOptions options;
  options.cookies = crumbs;
  Mocked m(options);
  const auto result = m.send(Request::get("http://a.test/"));
  CHECK(test::code_of(result) == Errc::invalid_header);
  CHECK(std::string(result.error().what()).find("hunter2") == std::string::npos);
  CHECK(m.network->requests().empty());
}

// Proxies: which requests go through them, what is said to them, and what they may answer.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <ferry/auth.hpp>
#include <ferry/detail/policy/proxy.hpp>

#include "support/environment.hpp"
#include "support/fail_each.hpp"
#include "support/scripted.hpp"

using namespace std::chrono_literals;
using ferry::Client;
using ferry::ClientOptions;
using ferry::Errc;
using ferry::ProxyOptions;
using ferry::Request;
using ferry::detail::Proxy;
using ferry::testing::Script;
using ferry::testing::ScriptedConnector;
using test::code_of;
using test::Environment;
using test::ok;
using test::script;

namespace {

/// Opens scripted streams, and notes where to.
class NotingConnector final : public ferry::Connector {
 public:
  explicit NotingConnector(std::shared_ptr<Script> script) : scripted_(std::move(script)) {}
  asio::awaitable<ferry::Result<std::unique_ptr<ferry::Stream>>> connect(
      ferry::DialContext& context) override {
    places.push_back(context.host() + ":" + std::to_string(context.port()));
    return scripted_.connect(context);
  }
  std::vector<std::string> places;

 private:
  ScriptedConnector scripted_;
};

/// A client whose connections, to a proxy or not, follow one script.
struct Proxied {
  Proxied(std::shared_ptr<Script> s, const ProxyOptions& proxy, ferry::Timeouts timeouts = {})
      : one(std::move(s)), connector(std::make_shared<NotingConnector>(one)) {
    ClientOptions options;
    options.connector = connector;
    options.proxy = proxy;
    options.timeouts = timeouts;
    client.emplace(context, options);
  }
  ferry::Result<ferry::Response> send(Request request) {
    ferry::Result<ferry::Response> result;
    test::run(context, [&]() -> asio::awaitable<void> {
      auto sent = co_await client->try_send(std::move(request));
      result = std::move(sent);
    });
    return result;
  }
  ferry::Result<ferry::Response> get(const std::string& url = "http://ferry.test/path?q") {
    return send(Request::get(url));
  }

  asio::io_context context{1};
  std::shared_ptr<Script> one;
  std::shared_ptr<NotingConnector> connector;
  std::optional<Client> client;
};

const std::string login = "\x05\x02";       // The proxy: log in with a password.
const std::string no_login("\x05\x00", 2);  // The proxy: no need to log in.
const std::string welcome("\x01\x00", 2);   // The proxy: the password is right.
const std::string connected("\x05\x00\x00\x01\x7f\x00\x00\x01\x1f\x90", 10);

}  // namespace

TEST_CASE("an entry that can mean nothing is told of, without a password") {
  asio::io_context context{1};
  for (const char* entry : {"http://me:hunter2@host/", "10.0.0.0/99", "a*b", "host:port"}) {
    CAPTURE(std::string(entry));
    ClientOptions options;
    options.proxy.bypass = {"good.test", entry};
    try {
      const Client client(context, options);
      FAIL("accepted");
    } catch (const ferry::Error& error) {
      CHECK(error.code() == Errc::invalid_option);
      CHECK(std::string(error.what()).starts_with("invalid option: proxy.bypass: \""));
      CHECK(std::string(error.what()).find("hunter2") == std::string::npos);
    }
  }
  ClientOptions options;
  options.proxy.bypass = {"a*b"};
  CHECK_THROWS_WITH(Client(context, options),
                    "invalid option: proxy.bypass: \"a*b\" is no name, no address, no network and "
                    "not *");
}

TEST_CASE("proxies of the environment, only when asked") {
  const Environment environment(Environment::Variables{{"http_proxy", "http://one:1"}});
  Proxied direct(script({ok("x")}), ProxyOptions());
  CHECK(direct.get());
  CHECK(direct.connector->places == std::vector<std::string>{"ferry.test:80"});
  Proxied asked(script({ok("x")}), ProxyOptions::from_environment());
  CHECK(asked.get());
  CHECK(asked.connector->places == std::vector<std::string>{"one:1"});
}

TEST_CASE("the SOCKS proxy that a desktop sets is one of SOCKS 5, which looks names up") {
  for (const char* set : {"socks://proxy.test:1080/", "SOCKS://proxy.test:1080/"}) {
    const Environment desktop(
        Environment::Variables{{"all_proxy", set}, {"no_proxy", "localhost,127.0.0.0/8,::1"}});
    const auto options = ProxyOptions::from_environment();
    CHECK(options.http == "socks5h://proxy.test:1080/");
    CHECK(options.https == options.http);
    Proxied p(script({no_login, connected, ok("x")}), options);
    CHECK(p.get()->body() == "x");
    CHECK(p.connector->places == std::vector<std::string>{"proxy.test:1080"});
    CHECK(p.one->written.find("ferry.test") != std::string::npos);
    Proxied direct(script({ok("x")}), options);
    CHECK(direct.get("http://localhost/")->body() == "x");
    CHECK(direct.connector->places == std::vector<std::string>{"localhost:80"});
  }
}

TEST_CASE("a proxy of the environment that cannot be fails the requests that it is for") {
  const struct {
    const char* variable;
    const char* value;
    const char* why;
  } table[] = {
      {"http_proxy", "socks4://me:hunter2@proxy", "\"socks4\" is none of"},
      {"HTTP_PROXY", "ftp://me:hunter2@proxy/", "\"ftp\" is none of"},
      {"all_proxy", "http://me:hunter2@pro xy", "invalid URL"},
      {"ALL_PROXY", "me:hunter2@proxy:99999", "invalid URL"},
      {"all_proxy", "https://me:hunter2@proxy", "the proxy needs options.tls"},
      {"http_proxy", "socks://me:hunter2@/", "invalid URL"},
  };
  for (const auto& [variable, value, why] : table) {
    CAPTURE(std::string(value));
    const Environment environment(
        Environment::Variables{{variable, value}, {"no_proxy", "direct.test"}});
    Proxied p(script({ok("x")}), ProxyOptions::from_environment());
    CHECK(p.get("http://direct.test/")->body() == "x");
    CHECK(p.connector->places == std::vector<std::string>{"direct.test:80"});
    const auto refused = p.get();
    CHECK(refused.error().code() == ferry::Condition::invalid_request);
    const std::string text = refused.error().what();
    CHECK(text.find(": " + std::string(variable) + ": ") != text.npos);
    CHECK(text.find(why) != text.npos);
    CHECK(text.find("hunter2") == text.npos);
    std::string warmed;
    test::run(p.context, [&]() -> asio::awaitable<void> {
      try {
        co_await p.client->pool().warm(ferry::Origin("http://ferry.test"), 1);
      } catch (const ferry::Error& error) {
        warmed = error.what();
      }
    });
    CHECK(warmed.find(variable) != warmed.npos);
    CHECK(p.connector->places.size() == 1);
  }
  {
    const Environment environment(Environment::Variables{{"HTTPS_PROXY", "gopher://proxy"}});
    Proxied p(script({ok("x")}), ProxyOptions::from_environment());
    CHECK(p.get()->body() == "x");
    // The program's own word is wrong at once, and named for what it is.
    ProxyOptions own;
    own.https = ProxyOptions::from_environment().https;
    CHECK_THROWS_WITH(Proxied(script({}), own),
                      "invalid option: proxy.https: \"gopher\" is none of http, https, socks5 and "
                      "socks5h");
    ProxyOptions changed = ProxyOptions::from_environment();
    changed.https = "socks4://proxy";
    CHECK_THROWS_AS(Proxied(script({}), changed), ferry::Error);
  }
}

TEST_CASE("proxies that cannot be: the option is named, the password is not") {
  asio::io_context context{1};
  for (const char* bad : {"ftp://hunter2@proxy", "http://user:hunter2@pro xy", "http://",
                          "socks4://proxy:1080", "https://user:hunter2@proxy"}) {
    CAPTURE(std::string(bad));
    ClientOptions options;
    options.proxy = ProxyOptions(bad);
    try {
      const Client client(context, options);
      FAIL("accepted");
    } catch (const ferry::Error& error) {
      CHECK(error.code() == ferry::Condition::invalid_request);
      CHECK(std::string(error.what()).find("proxy") != std::string::npos);
      CHECK(std::string(error.what()).find("hunter2") == std::string::npos);
    }
  }
  ClientOptions options;
  options.proxy = ProxyOptions("http://proxy");
  CHECK_THROWS_AS(Client(ferry::ConnectionPool(context.get_executor()), options), ferry::Error);
}

TEST_CASE("[36] [47] over a proxy that forwards: absolute form, and credentials for it alone") {
  Proxied p(script({ok("one"), ok("two")}), ProxyOptions("http://me:p%40ss@proxy.test:3128"));
  CHECK(p.get()->body() == "one");
  CHECK(
      p.one->written.starts_with("GET http://ferry.test/path?q HTTP/1.1\r\nHost: ferry.test\r\n"));
  CHECK(p.one->written.find("Proxy-Authorization: Basic bWU6cEBzcw==\r\n") != std::string::npos);
  CHECK(p.get("http://ferry.test/")->connection().reused);
  CHECK(p.connector->places == std::vector<std::string>{"proxy.test:3128"});
  CHECK(p.client->pool().describe() == "http://ferry.test: 0 active, 1 idle, 0 waiting");
}

TEST_CASE("[47] hosts that are reached without the proxy learn nothing of it") {
  ProxyOptions proxy("http://me:secret@proxy.test:3128");
  proxy.bypass = {"ferry.test"};
  Proxied p(script({ok("one")}), proxy);
  CHECK(p.get()->body() == "one");
  CHECK(p.connector->places == std::vector<std::string>{"ferry.test:80"});
  CHECK(p.one->written.starts_with("GET /path?q HTTP/1.1\r\n"));
  CHECK(p.one->written.find("Proxy-") == std::string::npos);
  const auto own = p.send(Request::get("http://ferry.test/").header("Proxy-Authorization", "x"));
  CHECK(code_of(own) == Errc::invalid_header);
}

TEST_CASE("[47] a proxy's userinfo counts beside an authenticator that has nothing for it") {
  const std::string own = "Proxy-Authorization: Bearer t\r\n";
  const std::string basic = "Proxy-Authorization: Basic bWU6eA==\r\n";
  for (const auto& [bound_to, sent] :
       {std::pair("http://proxy.test", own), std::pair("http://other.test", basic)}) {
    ProxyOptions proxy("http://me:x@proxy.test");
    proxy.auth = ferry::only_for(bound_to, ferry::bearer("t"));
    Proxied forwarding(script({ok("x")}), proxy);
    CHECK(forwarding.get());
    CHECK(forwarding.one->written.find(sent) != std::string::npos);
    const auto rule = ferry::detail::ProxyRule::make(proxy);
    REQUIRE(rule);
    for (const char* text : {"http://ferry.test/", "https://ferry.test/"}) {
      const Proxy* const found = rule->proxy_for(ferry::Url::parse(text).value());
      REQUIRE(found);
      CHECK((found->auth == nullptr) == (sent == basic));
    }
  }
}

TEST_CASE("what a forwarding proxy answers itself is a response") {
  Proxied p(script({"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"}),
            ProxyOptions("proxy.test"));
  CHECK(p.get()->status() == 407);
  CHECK(p.connector->places == std::vector<std::string>{"proxy.test:80"});
}

TEST_CASE("a forwarding proxy may ask for other credentials, which the origin does not get") {
  /// Answers what it is asked, and counts how often.
  class Counting final : public ferry::Authenticator {
   public:
    std::optional<std::string> authorize_now(const ferry::AuthContext& context) override {
      CHECK(context.url.origin() == (context.proxy ? "http://proxy.test" : "http://ferry.test"));
      if (context.challenges == 0) return "";
      return "Own " + std::string(context.challenge->get("X-Nonce").value()) + " " +
             std::string(context.method) + " " + std::string(context.target);
    }
    bool challenged(const ferry::AuthContext& context) override { return context.challenges == 1; }
  };
  const auto refuse = [](const char* status, const char* nonce) {
    return std::string("HTTP/1.1 ") + status + "\r\nX-Nonce: " + nonce +
           "\r\nContent-Length: 2\r\n\r\nno";
  };
  ProxyOptions proxy("http://me:secret@proxy.test");
  proxy.auth = std::make_shared<Counting>();
  Proxied p(script({refuse("407 Proxy Authentication Required", "p"),
                    refuse("401 Unauthorized", "o"), ok("x")}),
            proxy);
  const auto response =
      p.send(Request::get("http://ferry.test/path?q").auth(std::make_shared<Counting>()));
  REQUIRE(response);
  CHECK(response->body() == "x");
  CHECK(p.connector->places.size() == 1);
  const std::string& written = p.one->written;
  CHECK(written.find("secret") == std::string::npos);
  CHECK(written.find("Basic") == std::string::npos);
  const auto second = written.find("\r\n\r\n") + 4;
  const auto third = written.find("\r\n\r\n", second) + 4;
  CHECK(written.substr(0, second).find("uthorization") == std::string::npos);
  const std::string for_proxy = "Proxy-Authorization: Own p GET http://ferry.test/path?q\r\n";
  CHECK(written.substr(second, third - second).find(for_proxy) != std::string::npos);
  CHECK(written.substr(second, third - second).find("\r\nAuthorization") == std::string::npos);
  CHECK(written.substr(third).find(for_proxy) != std::string::npos);
  CHECK(written.substr(third).find("\r\nAuthorization: Own o GET /path?q\r\n") !=
        std::string::npos);

  Proxied refused(script({refuse("407 Proxy Authentication Required", "p"),
                          refuse("407 Proxy Authentication Required", "q")}),
                  proxy);
  CHECK(refused.get()->status() == 407);
}

TEST_CASE("[15] [47] through SOCKS 5: by name or address, with a password or without; any pieces") {
  struct Case {
    const char* proxy;
    const char* url;
    std::deque<std::string> says;
    std::string hears;
  };
  const std::string request("\x05\x01\x00", 3);
  const std::string name = request +
                           "\x03\x0a"
                           "ferry.test" +
                           std::string("\x00\x50", 2);
  const Case cases[] = {
      {"socks5h://proxy.test",
       "http://ferry.test/",
       {no_login, connected},
       std::string("\x05\x01\x00", 3) + name},
      {"socks5h://me:secret@proxy.test:1081",
       "http://ferry.test/",
       {login, welcome, connected},
       std::string("\x05\x02\x00\x02", 4) + "\x01\x02me\x06secret" + name},
      {"socks5h://me:secret@proxy.test",
       "http://ferry.test/",
       {no_login, connected},
       std::string("\x05\x02\x00\x02", 4) + name},
      {"socks5://proxy.test",
       "http://192.0.2.7:8080/",
       {no_login, connected},
       std::string("\x05\x01\x00", 3) + request + std::string("\x01\xc0\x00\x02\x07\x1f\x90", 7)},
      {"socks5h://proxy.test",
       "http://[::1]/",
       {no_login, connected},
       std::string("\x05\x01\x00", 3) + request + "\x04" + std::string(15, '\0') +
           std::string("\x01\x00\x50", 3)},
      {"socks5h://proxy.test",
       "http://ferry.test/",
       {no_login, std::string("\x05\x00\x00\x03\x02hi\x00\x50", 9)},
       std::string("\x05\x01\x00", 3) + name},
  };
  for (const Case& one : cases) {
    for (const std::size_t size : {std::size_t{1}, ferry::no_limit}) {
      CAPTURE(std::string(one.proxy));
      auto says = one.says;
      says.push_back(ok("through"));
      auto s = script(says);
      s->read_size = s->write_size = size;
      Proxied p(s, ProxyOptions(one.proxy));
      const auto response = p.get(one.url);
      REQUIRE(response);
      CHECK(response->body() == "through");
      CHECK((s->written.substr(0, one.hears.size()) == one.hears));
      CHECK(s->written.substr(one.hears.size()).starts_with("GET / HTTP/1.1\r\n"));
      CHECK(s->written.find("Proxy-") == std::string::npos);
      const bool other_port = std::string(one.proxy).ends_with("1081");
      CHECK(p.connector->places.front() == (other_port ? "proxy.test:1081" : "proxy.test:1080"));
    }
  }
}

TEST_CASE("a SOCKS proxy that will not, or cannot: why; nothing is sent, nothing kept") {
  struct Case {
    std::deque<std::string> says;
    const char* proxy;
    Errc code;
    const char* text;
  };
  const char* const plain = "socks5h://proxy.test";
  const char* const named = "socks5h://me:hunter2@proxy.test";
  const auto refusal = [](char code) { return std::string("\x05") + code + std::string(8, '\0'); };
  const Case cases[] = {
      {{login}, plain, Errc::proxy_authentication_required, "wants a password"},
      {{"\x05\xff"}, plain, Errc::proxy_authentication_required, "wants a password"},
      {{"\x05\xff"}, named, Errc::proxy_authentication_required, "takes no password"},
      {{login, "\x01\x01"}, named, Errc::proxy_authentication_required, "refuses the password"},
      {{no_login, refusal(2)}, plain, Errc::proxy_refused, "rules"},
      {{no_login, refusal(4)}, plain, Errc::proxy_refused, "host unreachable"},
      {{no_login, refusal(5)}, plain, Errc::proxy_refused, "connection refused"},
      {{no_login, refusal(77)}, plain, Errc::proxy_refused, "unknown reason"},
      {{no_login, std::string("\x05\x00\x00\x09\x00", 5)}, plain, Errc::proxy_failed, "address"},
      {{"HTTP/1.1 400 Bad Request\r\n\r\n"}, plain, Errc::proxy_failed, "does not speak SOCKS 5"},
      {{"\x05\x07"}, plain, Errc::proxy_failed, "not offered"},
      {{no_login, "HTTP/"}, plain, Errc::proxy_failed, "does not speak SOCKS 5"},
      {{no_login}, plain, Errc::proxy_failed, "ended the connection"},
      {{}, plain, Errc::proxy_failed, "ended the connection"},
  };
  for (const Case& one : cases) {
    CAPTURE(std::string(one.text));
    Proxied p(script(one.says, Script::End::eof), ProxyOptions(one.proxy));
    const auto result = p.get("http://ferry.test/?hunter2");
    REQUIRE_FALSE(result);
    CHECK(result.error().code() == one.code);
    CHECK(result.error().code() == ferry::Condition::connection_failed);
    CHECK(result.error().phase() == ferry::Phase::proxy);
    const std::string what = result.error().what();
    CAPTURE(what);
    CHECK(what.find(one.text) != std::string::npos);
    CHECK(what.find("proxy.test") != std::string::npos);
    CHECK(what.find("hunter2") == std::string::npos);
    CHECK(p.one->written.find("GET") == std::string::npos);
    CHECK(p.one->closed);
    CHECK(p.client->pool().stats().idle == 0);
  }
}

TEST_CASE("[57] [60] a proxy that is silent") {
  Proxied p(script({no_login}), ProxyOptions("socks5h://proxy.test"), {.connect = 2ms});
  const auto result = p.get();
  CHECK(code_of(result) == Errc::proxy_timeout);
  CHECK(result.error().phase() == ferry::Phase::proxy);
  CHECK(p.client->pool().stats().connecting == 0);
}

TEST_CASE("[57] a total limit that passes on the way through a proxy says so") {
  Proxied p(script({no_login}), ProxyOptions("socks5h://proxy.test"), {.total = 2ms});
  const auto result = p.get();
  CHECK(code_of(result) == Errc::total_timeout);
  CHECK(result.error().phase() == ferry::Phase::proxy);
}

TEST_CASE("[31] [33] through SOCKS 5 every operation fails once") {
  bool in_proxy = false;
  test::fail_each_step(1, 100, [&](int n) {
    auto s = script({login, welcome, connected, ok("through")});
    s->read_size = 3;
    s->write_size = 10;
    s->fail_at = n;
    Proxied p(s, ProxyOptions("socks5h://me:secret@proxy.test"));
    const auto result = p.get();
    const bool succeeded = s->operations < n;
    CHECK(result.has_value() == succeeded);
    if (!succeeded) CHECK(s->closed);
    if (s->written.find("GET") == std::string::npos)
      CHECK(result.error().code() == ferry::Condition::connection_failed);
    in_proxy |= !succeeded && result.error().code() == Errc::proxy_failed;
    const auto stats = p.client->pool().stats();
    CHECK(stats.active + stats.connecting + stats.waiting == 0);
    CHECK(stats.idle == (succeeded ? 1 : 0));
    return succeeded;
  });
  CHECK(in_proxy);
}

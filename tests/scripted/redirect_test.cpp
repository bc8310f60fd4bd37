// Calls that take more than one exchange: redirects, and retries by policy.

#include <chrono>
#include <limits>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <ferry/auth.hpp>
#include <ferry/cookies.hpp>

#include "support/cancelling.hpp"
#include "support/fail_each.hpp"
#include "support/scripted.hpp"

using namespace std::chrono_literals;
using ferry::Body;
using ferry::ClientOptions;
using ferry::Errc;
using ferry::Event;
using ferry::Request;
using ferry::testing::Script;
using test::code_of;
using test::idle;
using test::ok;
using test::script;
using test::Scripted;

namespace {

std::string redirect(const std::string& to, const char* status = "302 Found",
                     const std::string& body = "moved") {
  return std::string("HTTP/1.1 ") + status + "\r\nLocation: " + to +
         "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

std::string refuse(const std::string& fields = "", const char* status = "503 Service Unavailable") {
  return std::string("HTTP/1.1 ") + status + "\r\n" + fields + "Content-Length: 2\r\n\r\nno";
}

/// The heads of the requests that a script has seen, without the usual fields.
std::vector<std::string> heads(const Script& script) {
  std::vector<std::string> all;
  const std::string& text = script.written;
  for (std::size_t at = 0, end; (end = text.find("\r\n\r\n", at)) != text.npos; at = end + 4)
    all.push_back(text.substr(at, end + 2 - at));
  return all;
}

ferry::Result<std::string> streamed(Scripted& s, Request request) {
  ferry::Result<std::string> result;
  test::run(s.context, [&]() -> asio::awaitable<void> {
    try {
      ferry::ResponseStream stream = co_await s.client->stream(std::move(request));
      const std::string body = co_await stream.read_all();
      result = std::to_string(stream.history().size()) + " " + body;
    } catch (const ferry::Error& error) {
      result = error;
    }
  });
  return result;
}

}  // namespace

TEST_CASE("redirects are followed, over the same connection, and remembered") {
  auto one = script({redirect("/b"), redirect("c?x=1#f"), ok("there")});
  Scripted s(one);
  const auto response = s.send(Request::get("http://test/a").query("q", "1"));
  REQUIRE(response);
  CHECK(response->body() == "there");
  CHECK(response->url().str() == "http://test/c?x=1#f");
  REQUIRE(response->history().size() == 2);
  CHECK(response->history()[0].status() == 302);
  CHECK(response->history()[0].url().str() == "http://test/a?q=1");
  CHECK(response->history()[0].headers().get("Location") == "/b");
  CHECK(response->history()[1].url().str() == "http://test/b");
  CHECK(response->timings().total >= response->history()[1].timings().total);
  CHECK(response->elapsed() <= response->timings().total);
  CHECK(s.connections() == 1);
  CHECK(s.pool() == idle);
  const auto sent = heads(*one);
  REQUIRE(sent.size() == 3);
  CHECK(sent[1].starts_with("GET /b HTTP/1.1\r\n"));
  CHECK(sent[2].starts_with("GET /c?x=1 HTTP/1.1\r\n"));
  CHECK(ferry::Response().history().empty());
}

TEST_CASE("streams follow them too") {
  Scripted s(script({redirect("/b"), ok("there")}));
  CHECK(*streamed(s, Request::get("http://test/a")) == "1 there");
  CHECK(s.pool() == idle);
  CHECK(s.connections() == 1);
}

TEST_CASE("they can be left alone, by client and by call") {
  Scripted call(script({redirect("/b")}));
  const auto response = call.send(Request::get("http://test/"), {.follow_redirects = false});
  CHECK(response->status() == 302);
  CHECK(response->body() == "moved");
  CHECK(call.pool() == idle);
  ClientOptions options;
  options.redirects.follow = false;
  Scripted client(script({redirect("/b"), redirect("/b"), ok("x")}), options);
  CHECK(client.get()->status() == 302);
  CHECK(client.send(Request::get("http://test/"), {.follow_redirects = true})->body() == "x");
}

TEST_CASE("[54] no more than are allowed; the limit can be a call's") {
  std::deque<std::string> loop(20, redirect("/again"));
  Scripted s(script(loop));
  const auto result = s.get();
  CHECK(code_of(result) == Errc::too_many_redirects);
  CHECK(result.error().attempt() == 11);
  Scripted twice(script(loop));
  CHECK(code_of(twice.send(Request::get("http://test/"), {.max_redirects = 2})) ==
        Errc::too_many_redirects);
}

TEST_CASE(
    "[54] a Location that is empty or only a fragment is not followed: the 3xx is the answer") {
  for (const char* location : {"", "  ", "#", "#part"}) {
    CAPTURE(std::string(location));
    for (const char* status : {"302 Found", "303 See Other", "307 Temporary Redirect"}) {
      auto one = script({redirect(location, status), ok("next")});
      Scripted s(one);
      const auto response = s.send(Request::post("http://test/a", Body("pay")));
      REQUIRE(response);
      CHECK(response->status() == std::stoi(status));
      CHECK(response->body() == "moved");
      CHECK(response->history().empty());
      CHECK(heads(*one).size() == 1);
      CHECK(s.pool() == idle);
      CHECK(s.get()->body() == "next");
    }
    Scripted stream(script({redirect(location)}));
    CHECK(*streamed(stream, Request::get("http://test/a")) == "0 moved");
    Scripted large(script({redirect(location, "302 Found", "more than four bytes")}));
    const auto bounded = large.send(Request::get("http://test/"), {.max_body_size = 4});
    CHECK(code_of(bounded) == Errc::body_too_large);
  }
}

TEST_CASE("[48] [49] [50] [55] credentials stay with their origin, and do not come back") {
  auto a = script({redirect("http://other/"), ok("back at a")});
  auto b = script({redirect("/b2"), redirect("http://test/again")});
  ClientOptions options;
  options.headers.add("Authorization", "Bearer client").add("X-Own", "kept");
  Scripted s({a, b}, options);
  const auto response = s.send(
      Request::get("http://test/").header("Cookie", "session=1").header("Host", "virtual.test"));
  REQUIRE(response);
  CHECK(response->body() == "back at a");
  const auto at_a = heads(*a);
  const auto at_b = heads(*b);
  REQUIRE(at_a.size() == 2);
  REQUIRE(at_b.size() == 2);
  CHECK(at_a[0].find("Authorization: Bearer client\r\n") != std::string::npos);
  CHECK(at_a[0].find("Cookie: session=1\r\n") != std::string::npos);
  CHECK(at_a[0].find("Host: virtual.test\r\n") != std::string::npos);
  for (const std::string& head : {at_b[0], at_b[1], at_a[1]}) {
    CHECK(head.find("Authorization") == std::string::npos);
    CHECK(head.find("Cookie") == std::string::npos);
    CHECK(head.find("virtual.test") == std::string::npos);
    CHECK(head.find("X-Own: kept\r\n") != std::string::npos);
  }
  // [55] The next request has them again.
  a->responses.push_back(ok("next"));
  REQUIRE(s.send(Request::get("http://test/")));
  CHECK(heads(*a).back().find("Authorization: Bearer client\r\n") != std::string::npos);
}

namespace {

/// Passes every call on, as one of the user's would.
std::shared_ptr<const ferry::Middleware> passing_on() {
  return ferry::middleware(
      [](Request request, ferry::Next next) -> asio::awaitable<ferry::Response> {
        CHECK(request.url().find("secret") == std::string::npos);
        co_return co_await next(std::move(request));
      });
}

ferry::Response refresh(Scripted& s, ferry::Response page) {
  ferry::Response fresh;
  test::run(s.context, [&]() -> asio::awaitable<void> {
    auto answer = co_await s.client->refresh(std::move(page));
    fresh = std::move(answer);
  });
  return fresh;
}

const std::string basic = "\r\nAuthorization: Basic bWU6c2VjcmV0\r\n";  // me:secret

}  // namespace

TEST_CASE("[48] [49] [69] what a redirect left behind stays behind in refresh") {
  for (const bool middle : {false, true}) {
    CAPTURE(middle);
    auto a = script({redirect("http://other/"), ok("back at a"), ok("again at a")});
    auto b = script({ok("at b"), ok("once more"), redirect("http://test/back"), ok("of b")});
    ClientOptions options;
    options.headers.add("Authorization", "Bearer client").add("Cookie", "session=1");
    options.headers.add("Host", "virtual.test").add("X-Own", "kept");
    options.auth = ferry::bearer("authenticator");
    if (middle) options.middleware.push_back(passing_on());
    Scripted s({a, b}, options);
    auto page = s.send(Request::get("http://test/")).value();
    CHECK(page.body() == "at b");
    const ferry::Response hop = page.history().at(0);
    // The same holds for a copy, a moved response and a refresh.
    const ferry::Response copy = page;
    page = refresh(s, std::move(page));
    CHECK(page.body() == "once more");
    page = refresh(s, copy);
    CHECK(page.body() == "back at a");
    page = refresh(s, page);
    CHECK(page.body() == "again at a");
    const auto at_a = heads(*a);
    const auto at_b = heads(*b);
    REQUIRE(at_a.size() == 3);
    REQUIRE(at_b.size() == 3);
    for (const std::string& head : {at_b[0], at_b[1], at_b[2], at_a[1], at_a[2]}) {
      CAPTURE(head);
      CHECK(head.find("Authorization") == std::string::npos);
      CHECK(head.find("Cookie") == std::string::npos);
      CHECK(head.find("virtual.test") == std::string::npos);
      CHECK(head.find("X-Own: kept\r\n") != std::string::npos);
    }
    // The hop before was at the origin that was asked: a refresh of that has all of it.
    a->responses.push_back(ok("the first"));
    CHECK(refresh(s, hop).body() == "the first");
    const std::string first = heads(*a).back();
    CHECK(first.find("Authorization: Bearer client\r\n") != std::string::npos);
    CHECK(first.find("Cookie: session=1\r\n") != std::string::npos);
    CHECK(first.find("Host: virtual.test\r\n") != std::string::npos);
    // Nothing of a response clings to the next one that is made in its memory.
    a->responses = {ok("fresh"), ok("anew")};
    page = s.send(Request::get("http://test/")).value();
    page = refresh(s, std::move(page));
    CHECK(heads(*a).back().find("Authorization: Bearer client\r\n") != std::string::npos);
  }
}

TEST_CASE("[69] a middleware's own credentials stay behind in refresh as in the redirect") {
  auto a = script({redirect("http://other/")});
  auto b = script({ok("at b"), ok("once more")});
  ClientOptions options;
  options.middleware.push_back(
      ferry::middleware([](Request request, ferry::Next next) -> asio::awaitable<ferry::Response> {
        request.header("Authorization", "Bearer middle").auth(ferry::bearer("middle"));
        co_return co_await next(std::move(request));
      }));
  Scripted s({a, b}, options);
  const auto page = s.send(Request::get("http://test/")).value();
  CHECK(refresh(s, page).body() == "once more");
  CHECK(a->written.find("Bearer middle") != std::string::npos);
  CHECK(b->written.find("middle") == std::string::npos);
}

TEST_CASE("[48] [69] the jar's cookies for the other origin are sent, and only for those") {
  auto a = script({redirect("http://other/")});
  auto b = script({"HTTP/1.1 200 OK\r\nSet-Cookie: b=1\r\nContent-Length: 0\r\n\r\n", ok("")});
  ClientOptions options;
  const auto jar = std::make_shared<ferry::CookieJar>();
  jar->set(ferry::Cookie("a", "1", "test"));
  options.cookies = jar;
  options.auth = ferry::only_for("http://other/", ferry::bearer("of-b"));
  Scripted s({a, b}, options);
  const auto page = s.send(Request::get("http://test/")).value();
  refresh(s, page);
  CHECK(heads(*b).back().find("\r\nCookie: b=1\r\n") != std::string::npos);
  CHECK(heads(*b).back().find("\r\nAuthorization: Bearer of-b\r\n") != std::string::npos);
}

TEST_CASE("the user and the password of a URL, or of the base URL, are not lost in refresh") {
  for (const bool middle : {false, true}) {
    CAPTURE(middle);
    ClientOptions options;
    options.base_url = "http://me:secret@test/";
    if (middle) options.middleware.push_back(passing_on());
    auto peer = script({redirect("/b"), ok("b"), ok("b again"), refuse(), ok("b at last")});
    options.retries.max = 1;
    options.retries.first_delay = 1ns;
    Scripted s(peer, options);
    auto page = s.send(Request::get("/a")).value();
    page = refresh(s, std::move(page));
    CHECK(page.url().str() == "http://test/b");
    CHECK(page.url().userinfo().empty());
    page = refresh(s, page);
    CHECK(page.body() == "b at last");
    for (const std::string& head : heads(*peer)) CHECK(head.find(basic) != std::string::npos);

    Scripted t(script({ok("1"), ok("2"), ok("3")}));
    page = t.send(Request::get("http://me:secret@test/")).value();
    for (int i = 0; i < 2; ++i) page = refresh(t, std::move(page));
    const auto sent = heads(*t.scripts[0]);
    REQUIRE(sent.size() == 3);
    for (const std::string& head : sent) CHECK(head.find(basic) != std::string::npos);
    // They do not come up where nobody gave them, either.
    t.scripts[0]->responses = {ok("4"), ok("5")};
    page = t.send(Request::get("http://test/")).value();
    page = refresh(t, std::move(page));
    CHECK(heads(*t.scripts[0]).back().find("Authorization") == std::string::npos);
  }
}

TEST_CASE("[52] a redirect leads to a Unix socket from that socket only") {
  const std::string socket = "http+unix://%2Frun%2Fx.sock";
  for (const bool by_base : {false, true}) {
    CAPTURE(by_base);
    ClientOptions options;
    options.unix_urls = !by_base;
    if (by_base) options.base_url = socket + "/api/";
    auto own = script({redirect("b"), redirect("/c"), redirect(socket + "/d"), ok("there"),
                       redirect("http+unix://%2Frun%2Fy.sock/")});
    auto own_anew = script({redirect("http://out/")});
    auto out = script({redirect(socket + "/d")});
    Scripted s({own, own_anew, out}, options);
    const auto there = s.send(Request::get(socket + "/api/a"));
    REQUIRE(there);
    CHECK(there->body() == "there");
    CHECK(there->url().str() == socket + "/d");
    CHECK(heads(*own)[1].starts_with("GET /api/b HTTP/1.1\r\n"));
    CHECK(code_of(s.send(Request::get(socket + "/"))) == Errc::invalid_redirect);
    // No redirect leads back there from the network, either.
    CHECK(code_of(s.send(Request::get(socket + "/"))) == Errc::invalid_redirect);
    CHECK(heads(*out).size() == 1);
    CHECK(s.connections() == 3);
  }
}

TEST_CASE("[47] neither logs nor errors show a query or a fragment, of Location least of all") {
  for (const char* location :
       {"/b?secret=1", "/b#secret", "/b?secret#secret", "http://other/b#secret=1",
        "http://[::1#secret", "http://a b/?secret", "ftp://a/#secret", "?secret\x01", "?#secret",
        "//me:secret@test/#secret", "http:?secret", "http://test:99999/#secret",
        "http+unix://%2Fx/?secret"}) {
    CAPTURE(std::string(location));
    std::ostringstream log;
    ClientOptions options;
    options.observer = ferry::log_to(log, {.verbose = true});
    const std::string answer = redirect(location);
    Scripted s({script({answer, "HTTP/1.1 200\r\n"}, Script::End::eof),
                script({"nonsense\r\n\r\n"}), script({answer})},
               options);
    for (const char* target : {"http://test/a?secret#secret", "http:/test?secret#secret"}) {
      const auto result = s.send(Request::get(target));
      REQUIRE_FALSE(result);
      CHECK(std::string(result.error().what()).find("secret") == std::string::npos);
    }
    CHECK(log.str().find("secret") == std::string::npos);
    CHECK(log.str().find("Sent GET /a?...") != std::string::npos);
  }
}

TEST_CASE("[44] a Host of one's own stays behind, the request's and the client's") {
  for (const bool of_client : {false, true}) {
    ClientOptions options;
    if (of_client) options.headers.add("Host", "virtual.example");
    auto request = Request::get("http://test/");
    if (!of_client) request.header("Host", "virtual.example");
    auto first = script({redirect("/b"), redirect("http://other:81/c")});
    auto second = script({redirect("/d"), ok("x")});
    Scripted s({first, second}, options);
    REQUIRE(s.send(request));
    CHECK(heads(*first)[1].find("\r\nHost: virtual.example\r\n") != std::string::npos);
    for (const auto& head : heads(*second))
      CHECK(head.find("\r\nHost: other:81\r\n") != std::string::npos);
  }
}

TEST_CASE("[53] a POST becomes a GET without what described its body; 307 sends it again") {
  ClientOptions options;
  options.headers.add("Content-Language", "en");
  for (const bool again : {false, true}) {
    auto one =
        script({redirect("/b", again ? "307 Temporary Redirect" : "303 See Other"), ok("x")});
    Scripted s(one, options);
    auto request = Request::post("http://test/", Body("the content", "text/plain"))
                       .header("Content-Encoding", "identity")
                       .header("Content-Length", "11");
    REQUIRE(s.send(request));
    const auto second = one->written.substr(one->written.find("/b HTTP") - 4);
    CHECK(second.starts_with(again ? "OST " : "GET "));
    CHECK((second.find("the content") != second.npos) == again);
    CHECK((second.find("Content-Type: text/plain") != second.npos) == again);
    CHECK((second.find("Content-Encoding") != second.npos) == again);
    CHECK((second.find("Content-Language") != second.npos) == again);
    CHECK((second.find("Content-Length") != second.npos) == again);
  }
}

namespace {
/// Gives one letter, as often as it is begun anew.
class Letter final : public ferry::BodySource {
 public:
  explicit Letter(bool again) : again_(again) {}
  std::optional<ferry::Error> rewind() override {
    ++rewinds;
    given_ = false;
    return std::nullopt;
  }
  bool can_rewind() const noexcept override { return again_; }
  asio::awaitable<std::size_t> read(asio::mutable_buffer buffer) override {
    *static_cast<char*>(buffer.data()) = 'x';
    co_return std::exchange(given_, true) ? 0 : 1;
  }
  int rewinds = 0;

 private:
  const bool again_;
  bool given_ = false;
};
}  // namespace

TEST_CASE("[53] a source that nobody else has goes with the POST that becomes a GET") {
  Scripted s(script({redirect("/b", "303 See Other"), ok("x")}));
  auto request = Request::post("http://test/", Body(std::make_shared<Letter>(false)));
  const auto result = s.send(std::move(request));
  REQUIRE(result);
  CHECK(result->body() == "x");
}

TEST_CASE("[53] a source is begun again, for 307, a retry, a challenge; or it is not sent again") {
  /// Has no credentials until it is asked.
  class ChallengeState final : public ferry::Authenticator {
   public:
    std::optional<std::string> authorize_now(const ferry::AuthContext& context) override {
      return context.challenges > 0 ? "Own x" : "";
    }
    bool challenged(const ferry::AuthContext&) override { return true; }
  };
  ClientOptions options;
  options.retries.max = 1;
  options.retries.first_delay = 0s;
  options.auth = std::make_shared<ChallengeState>();
  for (const bool again : {false, true}) {
    for (const auto& [first, status] :
         {std::pair(redirect("/b", "308 Permanent Redirect"), 0),
          std::pair(refuse("", "401 Unauthorized"), 401), std::pair(refuse(), 503)}) {
      auto one = script({first, ok("x")});
      Scripted s(one, options);
      const auto letter = std::make_shared<Letter>(again);
      const auto result = s.send(Request::put("http://test/", Body(letter)));
      if (again) {
        REQUIRE(result);
        CHECK(result->body() == "x");
        CHECK(letter->rewinds == 2);
        CHECK(one->written.ends_with("\r\n1\r\nx\r\n0\r\n\r\n"));
      } else if (status == 0) {
        CHECK(code_of(result) == Errc::invalid_redirect);
      } else {
        CHECK(result->status() == status);
      }
    }
    Scripted lost({script({}, Script::End::eof), script({ok("x")})}, options);
    const auto result =
        lost.send(Request::put("http://test/", Body(std::make_shared<Letter>(again))));
    CHECK(code_of(result) == (again ? std::error_code() : make_error_code(Errc::connection_lost)));
  }
}

TEST_CASE("[25] what a redirect carries is skipped, within bounds, and not decoded") {
  const struct {
    std::string response;
    int connections;
  } cases[] = {
      {redirect("/b", "302 Found", std::string(64 * 1024, 'x')), 1},
      {redirect("/b", "302 Found", std::string(64 * 1024 + 1, 'x')), 2},
      {"HTTP/1.1 302 Found\r\nLocation: /b\r\nTransfer-Encoding: "
       "chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
       1},
      {"HTTP/1.1 302 Found\r\nLocation: /b\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", 2},
      {"HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 3\r\nContent-Encoding: "
       "gzip\r\n\r\nabc",
       1},
  };
  for (const auto& c : cases) {
    for (const bool stream : {false, true}) {
      Scripted s({script({c.response, ok("x")}), script({ok("x")})});
      if (stream)
        CHECK(*streamed(s, Request::get("http://test/")) == "1 x");
      else
        CHECK(s.get()->body() == "x");
      CHECK(s.connections() == c.connections);
    }
  }
}

TEST_CASE("[26] the limit of what is collected is none for what is not") {
  const std::string page = "HTTP/1.1 301 Moved\r\nLocation: /b\r\nContent-Length: 5\r\n\r\nmoved";
  Scripted s(script({page, ok("x")}));
  CHECK(s.send(Request::get("http://test/"), {.max_body_size = 4})->body() == "x");
  CHECK(s.connections() == 1);
  Scripted kept(script({page}));
  CHECK(test::code_of(kept.send(Request::get("http://test/"),
                                {.max_body_size = 4, .follow_redirects = false})) ==
        Errc::body_too_large);
}

TEST_CASE("[25] what is too much, or ends with the connection, is not waited for") {
  for (const char* fields : {"", "Content-Length: 65537\r\n"}) {
    ClientOptions options;
    options.timeouts.read = 50ms;
    const std::string head = std::string("HTTP/1.1 302 Found\r\nLocation: /b\r\n") + fields;
    Scripted s({script({head + "\r\n"}), script({ok("x")})}, options);
    const auto result = s.get();
    REQUIRE(result);
    CHECK(result->body() == "x");
    CHECK(s.connections() == 2);
  }
}

namespace {

/// The rest of heads that leave a body to come, and what comes of that.
const std::vector<std::string> withheld = {
    "Content-Length: 9223372036854775807\r\n\r\n",
    "Content-Length: 5\r\n\r\n",
    "Content-Length: 5\r\n\r\nmove",
    "Transfer-Encoding: chunked\r\n\r\n",
    "Transfer-Encoding: chunked\r\n\r\n5\r\nmoved\r\n",
    "Transfer-Encoding: chunked\r\n\r\n5\r\nmoved\r\n0\r\nA: b\r\n",
    "\r\nmoved",
};

/// Has other credentials for each refusal.
class Patient final : public ferry::Authenticator {
 public:
  explicit Patient(int patience = max_challenges) : patience_(patience) {}
  std::optional<std::string> authorize_now(const ferry::AuthContext& context) override {
    return "Own " + std::to_string(context.challenges);
  }
  bool challenged(const ferry::AuthContext& context) override {
    return context.challenges <= patience_;
  }

 private:
  const int patience_;
};

/// Answers that lead to another request: redirects, refusals that are answered, failures that may
/// be over.
const std::vector<std::string> leading_further = {
    "HTTP/1.1 302 Found\r\nLocation: /b\r\n",
    "HTTP/1.1 308 Permanent Redirect\r\nLocation: http://test/b\r\n",
    "HTTP/1.1 401 Unauthorized\r\n",
    "HTTP/1.1 407 Proxy Authentication Required\r\n",
    "HTTP/1.1 503 Service Unavailable\r\n",
    "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 0\r\n",
};

ClientOptions going_further(int patience) {
  ClientOptions options;
  options.auth = std::make_shared<Patient>(patience);
  options.proxy = ferry::ProxyOptions("http://proxy.test");
  options.proxy.auth = options.auth;
  options.retries.max = patience;
  options.retries.first_delay = 0s;
  options.timeouts.read = 50ms;
  return options;
}

}  // namespace

TEST_CASE("[33] a body that is of no use, and withheld, is not waited for: its connection closes") {
  for (const std::string& head : leading_further) {
    for (const std::string& rest : withheld) {
      for (const std::size_t size : {std::size_t{1}, ferry::no_limit}) {
        for (const bool stream : {false, true}) {
          CAPTURE(head);
          CAPTURE(rest);
          ClientOptions options = going_further(1);
          std::vector<ferry::CloseReason> reasons;
          options.observer = [&](const Event& event) {
            if (event.kind == Event::Kind::connection_closed) reasons.push_back(event.reason);
          };
          auto first = script({head + rest});
          first->read_size = size;
          Scripted s({first, script({ok("x")})}, options);
          if (stream) {
            const auto body = streamed(s, Request::get("http://test/"));
            REQUIRE(body);
            CHECK(body->ends_with(" x"));
          } else {
            const auto response = s.get();
            REQUIRE(response);
            CHECK(response->body() == "x");
            for (const auto& hop : response->history()) CHECK(hop.body().empty());
          }
          CHECK(first->closed);
          CHECK(s.connections() == 2);
          CHECK(reasons == std::vector{ferry::CloseReason::unread});
          CHECK(s.pool() == idle);
        }
      }
    }
  }
}

TEST_CASE("a body that is of no use, and there, leaves the connection to the next request") {
  for (const std::string& head : leading_further) {
    for (const char* rest :
         {"Content-Length: 0\r\n\r\n", "Content-Length: 5\r\n\r\nmoved",
          "Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nmoved\r\n0\r\nA: b\r\n\r\n"}) {
      for (const std::size_t size : {std::size_t{1}, std::size_t{30}, ferry::no_limit}) {
        for (const bool by_head : {false, true}) {
          CAPTURE(head);
          CAPTURE(rest);
          const std::string answer = head + rest;
          auto one = script({by_head ? answer.substr(0, answer.find("\r\n\r\n") + 4) : answer,
                             by_head ? "HTTP/1.1 200 OK\r\n\r\n" : ok("x")});
          one->read_size = size;
          Scripted s(one, going_further(1));
          // The limit of what is collected is none for it.
          const auto response =
              s.send(by_head ? Request::head("http://test/") : Request::get("http://test/"),
                     {.max_body_size = 4});
          REQUIRE(response);
          CHECK(response->status() == 200);
          CHECK(response->connection().reused);
          CHECK(s.connections() == 1);
          // Two requests, two answers: what came with a head is not read for.
          if (size == ferry::no_limit) CHECK(one->operations == 4);
        }
      }
    }
  }
}

TEST_CASE("the last answer of a call has its body, whatever it might have led to") {
  for (const std::string& head : leading_further) {
    CAPTURE(head);
    ClientOptions options = going_further(0);
    options.redirects.follow = false;
    for (const std::size_t size : {std::size_t{1}, ferry::no_limit}) {
      auto one = script({head + "Content-Length: 4\r\n\r\nlast"});
      one->read_size = size;
      Scripted s(one, options);
      const auto only = s.get();
      REQUIRE(only);
      CHECK(only->body() == "last");
      auto again =
          script({head + "Content-Length: 2\r\n\r\nno", head + "\r\nlast"}, Script::End::eof);
      again->read_size = size;
      Scripted once_more(again, going_further(1));
      const auto result = once_more.send(Request::get("http://test/"), {.max_redirects = 1});
      const bool redirected = head.find("Location") != head.npos;
      if (redirected) {
        CHECK(code_of(result) == Errc::too_many_redirects);
      } else {
        REQUIRE(result);
        CHECK(result->body() == "last");
        CHECK(result->status() >= 400);
      }
    }
  }
}

TEST_CASE("a redirect that cannot be followed is an error, its connection closed") {
  auto one = script({redirect("ftp://elsewhere/")});
  Scripted s(one);
  const auto result = s.get();
  CHECK(code_of(result) == Errc::invalid_redirect);
  CHECK(result.error().code() == ferry::Condition::protocol_error);
  CHECK(one->closed);
  CHECK(s.client->pool().stats().active == 0);
}

TEST_CASE("the total time limit spans all hops") {
  Scripted s(script({redirect("/b"), redirect("/c")}));
  const auto result = s.send(Request::get("http://test/"), {.timeout = 20ms});
  CHECK(code_of(result) == Errc::total_timeout);
  CHECK(result.error().attempt() == 3);
}

TEST_CASE("[48] a client that is told to send no cookies sends none after a redirect either") {
  const auto jar = std::make_shared<ferry::CookieJar>();
  ClientOptions options;
  options.cookies = jar;
  options.headers.set("Cookie", "");
  auto there = script({ok("1"), ok("2")});
  Scripted s({script({redirect("http://b.test/")}), there}, options);
  jar->take(*ferry::Url::parse("http://b.test/"), ferry::Headers().add("Set-Cookie", "s=1"));
  REQUIRE(s.get());
  REQUIRE(s.send(Request::get("http://b.test/")));
  CHECK(there->written.find("Cookie") == std::string::npos);
}

TEST_CASE("an event for each hop, and the log names where it leads, without queries") {
  std::string seen;
  ClientOptions options;
  options.observer = [&](const Event& event) {
    if (event.kind == Event::Kind::redirected)
      seen += std::to_string(event.status) + " " + std::string(event.target) + " -> " +
              std::string(event.location) + ";";
  };
  Scripted s(script({redirect("/b?secret"), ok("x")}), options);
  REQUIRE(s.get());
  CHECK(seen == "302 / -> http://test/b?secret;");
}

TEST_CASE("[58] redirects and retries, cancelled at every suspension point") {
  test::fail_each_step(0, 1000, [&](int steps) {
    ClientOptions options;
    options.retries.max = 1;
    options.retries.first_delay = 1ms;
    auto one = script({redirect("/b"), refuse(), ok("there")});
    one->read_size = 30;
    Scripted s({one, script({ok("next")})}, options);
    test::Cancellable<ferry::Response> sent;
    const bool finished =
        sent.cancel_after(steps, s.context, s.client->try_send(Request::get("http://test/")));
    if (finished) CHECK(sent.result->body() == "there");
    test::check_counts(s.client->pool().stats());
    return finished;
  });
}

// ---- retries by policy ----

namespace {
ClientOptions retrying(int max = 2) {
  ClientOptions options;
  options.retries.max = max;
  options.retries.first_delay = 0s;
  return options;
}
}  // namespace

TEST_CASE("by itself nothing is sent again but on a stale connection") {
  Scripted refused(script({refuse(), ok("x")}));
  CHECK(refused.get()->status() == 503);
  Scripted lost({script({}, Script::End::eof), script({ok("x")})});
  CHECK(code_of(lost.get()) == Errc::connection_lost);
}

TEST_CASE("a status of the policy, or a failure that may be over, is tried again") {
  Scripted refused(script({refuse(), refuse(), ok("x")}), retrying());
  const auto response = refused.get();
  CHECK(response->body() == "x");
  CHECK_FALSE(response->connection().retry_reason.empty());
  CHECK(response->history().empty());
  CHECK(refused.connections() == 1);
  Scripted lost({script({}, Script::End::eof), script({ok("cut").substr(0, 40)}, Script::End::eof),
                 script({ok("x")})},
                retrying());
  CHECK(lost.get()->body() == "x");
  CHECK(lost.connections() == 3);
  Scripted stream(script({refuse(), ok("x")}), retrying());
  CHECK(*streamed(stream, Request::get("http://test/")) == "0 x");
  Scripted call(script({refuse(), ok("x")}));
  CHECK(call.send(Request::get("http://test/"), {.max_retries = 1})->body() == "x");
}

TEST_CASE("as often as the policy says, and then the answer is the answer") {
  Scripted refused(script({refuse(), refuse(), refuse(), ok("x")}), retrying());
  CHECK(refused.get()->status() == 503);
  Scripted lost({script({}, Script::End::eof), script({}, Script::End::eof),
                 script({}, Script::End::eof), script({ok("x")})},
                retrying());
  const auto result = lost.get();
  CHECK(code_of(result) == Errc::connection_lost);
  CHECK(result.error().attempt() == 3);
}

TEST_CASE("[31] not what might happen twice, unless the policy or the request says that it may") {
  const auto post = Request::post("http://test/", Body("pay"));
  Scripted plain(script({refuse(), ok("x")}), retrying());
  CHECK(plain.send(post)->status() == 503);
  Scripted with_key(script({refuse(), ok("x")}), retrying());
  auto keyed = post;
  keyed.header("Idempotency-Key", "1");
  CHECK(with_key.send(keyed)->body() == "x");
  ClientOptions options = retrying();
  options.headers.add("Idempotency-Key", "1");
  Scripted without_key(script({refuse(), ok("x")}), options);
  auto unkeyed = post;
  unkeyed.header("Idempotency-Key", "");  // Keeps the client's from being sent.
  CHECK(without_key.send(unkeyed)->status() == 503);
  options = retrying();
  options.retries.any_method = true;
  Scripted any(script({refuse(), ok("x")}), options);
  CHECK(any.send(post)->body() == "x");
  Scripted unlisted(script({refuse("", "500 Internal Server Error"), ok("x")}), retrying());
  CHECK(unlisted.get()->status() == 500);
  for (const auto& [method, status] : {std::pair("PROPFIND", 200), std::pair("QUERY", 200),
                                       std::pair("LOCK", 503), std::pair("query", 503)}) {
    CAPTURE(std::string(method));
    Scripted registered(script({refuse(), ok("x")}), retrying());
    CHECK(registered.send(Request(ferry::Method(method), "http://test/", Body("y")))->status() ==
          status);
  }
}

TEST_CASE("Retry-After is honoured, and one that is too long is not waited for") {
  ClientOptions options = retrying();
  options.retries.first_delay = 1h;
  options.retries.max_delay = 1h;
  Scripted soon(script({refuse("Retry-After: 0\r\n"), ok("x")}), options);
  CHECK(soon.get()->body() == "x");
  Scripted past(script({refuse("Retry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n"), ok("x")}),
                options);
  CHECK(past.get()->body() == "x");
  Scripted future(script({refuse("Retry-After: Fri, 31 Dec 9999 23:59:59 GMT\r\n"), ok("x")}),
                  options);
  CHECK(future.get()->status() == 503);
  Scripted late(script({refuse("Retry-After: 3601\r\n"), ok("x")}), options);
  CHECK(late.get()->status() == 503);
  for (const char* value : {"9223372036854775807", "9223372036854775808", "99999999999999999999999",
                            "172801", "Fri, 31 Dec 9999 23:59:59 GMT"}) {
    CAPTURE(std::string(value));
    ClientOptions patient = options;
    patient.retries.first_delay = 0ms;
    patient.retries.max_delay = 48h;
    Scripted long_wait(script({refuse("Retry-After: " + std::string(value) + "\r\n"), ok("x")}),
                       patient);
    const auto answer = long_wait.send(Request::get("http://test/"), {.timeout = 10s});
    REQUIRE(answer);
    CHECK(answer->status() == 503);
  }
  ClientOptions endless = options;
  endless.retries.max_delay = ferry::no_timeout;
  Scripted for_ever(script({refuse("Retry-After: 99999999999999999999999\r\n"), ok("x")}), endless);
  CHECK(code_of(for_ever.send(Request::get("http://test/"), {.timeout = 10ms})) ==
        Errc::total_timeout);
  for (const char* value : {"", "-1", "+1", "1.5", "1 s", "soon"}) {
    CAPTURE(std::string(value));
    ClientOptions eager = options;
    eager.retries.first_delay = 0ms;
    Scripted absent(script({refuse("Retry-After: " + std::string(value) + "\r\n"), ok("x")}),
                    eager);
    CHECK(absent.get()->body() == "x");
  }
  std::string failed;
  options.observer = [&](const ferry::Event& event) {
    if (event.kind == ferry::Event::Kind::request_failed)
      failed += std::string(event.method) + ' ' + std::string(event.origin) +
                std::string(event.target) + ": " + event.error->what();
  };
  Scripted limited(script({refuse("Retry-After: 60\r\n"), ok("x")}), options);
  const auto result = limited.send(Request::get("http://test/"), {.timeout = 10ms});
  CHECK(code_of(result) == Errc::total_timeout);
  CHECK(result.error().phase() == ferry::Phase::backoff);
  CHECK(failed == std::string("GET http://test/: ") + result.error().what());
}

TEST_CASE("a client's budget bounds its retries; successes earn more") {
  ClientOptions options = retrying(1);
  options.retries.budget = 2;
  std::deque<std::string> answers;
  for (int i = 0; i < 2; ++i) answers.insert(answers.end(), {refuse(), ok("x")});
  answers.push_back(refuse());
  for (int i = 0; i < 10; ++i) answers.push_back(ok("x"));
  answers.insert(answers.end(), {refuse(), ok("x")});
  Scripted s(script(answers), options);
  CHECK(s.get()->status() == 200);
  CHECK(s.get()->status() == 200);
  CHECK(s.get()->status() == 503);  // Two retries were all, and two successes are a fifth of one.
  for (int i = 0; i < 10; ++i) CHECK(s.get()->status() == 200);
  CHECK(s.get()->status() == 200);
}

TEST_CASE("a budget without end") {
  ClientOptions options = retrying(1);
  options.retries.budget = std::numeric_limits<int>::max();
  Scripted s(script({ok("x"), refuse(), ok("y")}), options);
  CHECK(s.get()->body() == "x");
  CHECK(s.get()->body() == "y");
}

TEST_CASE("closing the client ends a wait") {
  ClientOptions options = retrying();
  options.retries.first_delay = options.retries.max_delay = 1h;
  Scripted s(script({refuse("Retry-After: 3000\r\n")}), options);
  ferry::Result<ferry::Response> result;
  test::run(s.context, [&]() -> asio::awaitable<void> {
    asio::co_spawn(
        co_await asio::this_coro::executor,
        [&]() -> asio::awaitable<void> {
          for (int i = 0; i < 100; ++i)
            co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
          s.client->close();
        },
        asio::detached);
    auto sent = co_await s.client->try_send(Request::get("http://test/"));
    result = std::move(sent);
  });
  CHECK(code_of(result) == Errc::client_closed);
}

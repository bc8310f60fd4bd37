#include <doctest/doctest.h>
#include <string>

#include <ferry/detail/policy/redirect.hpp>

using ferry::Errc;
using ferry::Headers;
using ferry::Method;
using ferry::Redirects;
using ferry::Url;
using ferry::detail::redirection;

namespace {

struct Case {
  int status = 302;
  std::string location = "/next";
  std::string from = "http://a.test/dir/page?q=1";
  std::string method = "GET";
  bool body_replayable = true;
  Redirects options{};
  int followed = 0;
};

/// "METHOD url", with " !" where credentials stay behind; "answer" if it is not followed.
std::string next(const Case& c) {
  Headers headers;
  if (!c.location.empty()) headers.add("Location", c.location);
  const Url from = Url::parse(c.from).value();
  const Method method(c.method);
  const auto result =
      redirection({c.status, headers, from, method, c.body_replayable, c.options, c.followed});
  if (!result) {
    CHECK((result.error().code() == Errc::invalid_redirect ||
           result.error().code() == Errc::too_many_redirects));
    return std::string("error: ") + result.error().what();
  }
  if (!*result) return "answer";
  return ((*result)->as_get ? "GET" : c.method) + " " + (*result)->url.str() +
         ((*result)->other_origin ? " !" : "");
}

bool refused(const Case& c) { return next(c).starts_with("error: "); }

}  // namespace

TEST_CASE("[53] which method goes on, by the fetch standard") {
  const struct {
    int status;
    const char* method;
    const char* next;
  } table[] = {
      {301, "GET", "GET"},     {301, "HEAD", "HEAD"},     {301, "POST", "GET"},
      {301, "PUT", "PUT"},     {302, "GET", "GET"},       {302, "HEAD", "HEAD"},
      {302, "POST", "GET"},    {302, "DELETE", "DELETE"}, {303, "GET", "GET"},
      {303, "HEAD", "HEAD"},   {303, "POST", "GET"},      {303, "PUT", "GET"},
      {307, "POST", "POST"},   {307, "GET", "GET"},       {308, "POST", "POST"},
      {308, "PATCH", "PATCH"},
  };
  for (const auto& row : table) {
    CAPTURE(row.status);
    CAPTURE(std::string(row.method));
    CHECK(next({.status = row.status, .method = row.method}) ==
          std::string(row.next) + " http://a.test/next");
  }
}

TEST_CASE("what is no redirect, or not to be followed, is the answer") {
  for (const int status : {200, 300, 304, 305, 306, 309, 404})
    CHECK(next({.status = status}) == "answer");
  CHECK(next({.location = ""}) == "answer");
  CHECK(next({.options = {.follow = false}}) == "answer");
}

TEST_CASE("[54] a Location that is empty or only a fragment leads nowhere") {
  for (const int status : {301, 302, 303, 307, 308})
    for (const char* location : {"", "#", "#part", "#/next?x"})
      for (const char* from : {"http://a.test/dir/page?q=1", "http://a.test/#part"})
        for (const Method& method : {Method::get(), Method::post()})
          for (const int followed : {0, 10}) {
            CAPTURE(status);
            CAPTURE(std::string(location));
            Headers headers;
            headers.add("Location", location);
            const Url url = Url::parse(from).value();
            const auto to =
                redirection({status, headers, url, method, false, Redirects(), followed});
            REQUIRE(to);
            CHECK_FALSE(to->has_value());
          }
  // The same URL in other words may lead on, with a cookie, say.
  CHECK(next({.location = "/dir/page?q=1"}) == "GET http://a.test/dir/page?q=1");
  CHECK(next({.location = "?q=1#part"}) == "GET http://a.test/dir/page?q=1#part");
  CHECK(next({.location = "?"}) == "GET http://a.test/dir/page?");
  CHECK(next({.location = "."}) == "GET http://a.test/dir/");
}

TEST_CASE("[48] credentials stay behind when scheme, host or port change") {
  const struct {
    const char* location;
    bool other;
  } table[] = {
      {"/x", false},
      {"http://a.test/x", false},
      {"http://a.test:80/x", false},
      {"http://A.TEST/x", false},
      {"//a.test/x", false},
      {"http://a.test:81/x", true},
      {"https://a.test/x", true},
      {"http://b.a.test/x", true},
      {"http://test/x", true},
      {"http://a.test.evil/x", true},
  };
  for (const auto& row : table) {
    CAPTURE(std::string(row.location));
    CHECK(next({.location = row.location}).ends_with(" !") == row.other);
  }
}

TEST_CASE("[51] https to http only if asked for") {
  Case c;
  c.from = "https://a.test/";
  c.location = "http://a.test/";
  CHECK(refused(c));
  c.options.allow_downgrade = true;
  CHECK(next(c) == "GET http://a.test/ !");
}

TEST_CASE("[52] [54] [46] where a redirect must not lead") {
  for (const char* location :
       {"ftp://a.test/", "file:///etc/passwd", "http+unix://%2Frun%2Fx.sock/",
        "javascript:alert(1)", "http://user:password@a.test/", "http://", "http://a.test:99999/",
        "http://a\\@b/", "http://a b/", "http://[::1%25eth0]/"})
    CHECK(refused({.location = location}));
  Headers two;
  two.add("Location", "/a").add("location", "/b");
  const Url from = Url::parse("http://a.test/").value();
  const Method get = Method::get();
  CHECK_FALSE(redirection({302, two, from, get, true, Redirects(), 0}));
  Headers same;
  same.add("Location", "/a").add("location", "/a");
  CHECK(redirection({302, same, from, get, true, Redirects(), 0}));
}

TEST_CASE("a Unix socket's server leads to itself, or to the network") {
  const char* const from = "http+unix://%2Frun%2Fx.sock/a/b";
  CHECK(next({.location = "/c", .from = from}) == "GET http+unix://%2Frun%2Fx.sock/c");
  CHECK(next({.location = "http://a.test/", .from = from}) == "GET http://a.test/ !");
  CHECK(refused({.location = "http+unix://%2Frun%2Fy.sock/", .from = from}));
}

TEST_CASE("a host that is not ASCII, if there is somebody who knows its form that is") {
  Headers headers;
  headers.add("Location", "http://b\xc3\xbc.test/x");
  const Url from = Url::parse("http://a.test/").value();
  const auto get = Method::get();
  CHECK_FALSE(redirection({302, headers, from, get, true, Redirects(), 0}));
  const auto to = redirection({302, headers, from, get, true, Redirects(), 0,
                               [](std::string_view host) -> ferry::Result<std::string> {
                                 CHECK(host == "b\xc3\xbc.test");
                                 return std::string("xn--b-xga.test");
                               }});
  REQUIRE(to);
  CHECK((*to)->url.str() == "http://xn--b-xga.test/x");
}

TEST_CASE("[53] a body that cannot be sent again, where it would have to be") {
  CHECK(refused({.status = 307, .method = "POST", .body_replayable = false}));
  CHECK(refused({.status = 308, .method = "PUT", .body_replayable = false}));
  CHECK(refused({.status = 302, .method = "PUT", .body_replayable = false}));
  CHECK(next({.status = 303, .method = "PUT", .body_replayable = false}) ==
        "GET http://a.test/next");
}

TEST_CASE("[54] no more hops than are allowed") {
  CHECK(next({.followed = 9}) == "GET http://a.test/next");
  CHECK(refused({.followed = 10}));
  CHECK(refused({.options = {.max = 0}}));
}

TEST_CASE("references and fragments (RFC 3986 5.2, RFC 9110 10.2.2)") {
  CHECK(next({.location = "x?y#z"}) == "GET http://a.test/dir/x?y#z");
  CHECK(next({.location = "?y", .from = "http://a.test/dir/page#part"}) ==
        "GET http://a.test/dir/page?y#part");
  CHECK(next({.location = "/x#own", .from = "http://a.test/#part"}) == "GET http://a.test/x#own");
  CHECK(next({.location = "../up"}) == "GET http://a.test/up");
  CHECK(next({.location = "/caf\xc3\xa9 x"}) == "GET http://a.test/caf%C3%A9%20x");
}

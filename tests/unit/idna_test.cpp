#include <algorithm>
#include <doctest/doctest.h>
#include <idn2.h>
#include <string>
#include <string_view>

#include <asio/io_context.hpp>

#include <ferry/client.hpp>
#include <ferry/detail/base/utf8.hpp>
#include <ferry/idna.hpp>
#include <ferry/request.hpp>

#include "support/scripted.hpp"

using ferry::Errc;
using ferry::Request;
using ferry::Url;
using ferry::idna::to_ascii;

namespace {

/// The normal form of a URL whose host may be anything; "refused: ..." if it is refused.
std::string normal(std::string text) {
  Url url;
  const auto error = Request::get(std::move(text)).take_target(Url(), {}, to_ascii, url);
  if (!error) return url.str();
  CHECK(error->code() == Errc::invalid_url);
  return std::string("refused: ") + error->what();
}

}  // namespace

TEST_CASE("hosts that are not ASCII") {
  CHECK(normal("http://b\u00FCcher.example/\u00FC?\u00FC") ==
        "http://xn--bcher-kva.example/%C3%BC?%C3%BC");
  CHECK(normal("http://B\u00DCCHER.example:8080") == "http://xn--bcher-kva.example:8080/");
  CHECK(normal("http://stra\u00DFe.example/") == "http://xn--strae-oqa.example/");
  CHECK(normal("http://\u4F8B\u3048.\u30C6\u30B9\u30C8/") == "http://xn--r8jz45g.xn--zckzah/");
  CHECK(normal("http://b\u00FCcher\u3002example/") == "http://xn--bcher-kva.example/");
  CHECK(normal("http://user:p\u00FC@b\u00FCcher.example/") == "http://xn--bcher-kva.example/");
  CHECK(normal("http://plain.example/@\u00FC") == "http://plain.example/@%C3%BC");
  CHECK(normal("http://[::1]/\u00FC") == "http://[::1]/%C3%BC");
}

TEST_CASE("[42] [46] what is no name, or means something else when it is mapped, is refused") {
  for (const char* bad : {
           "http://\u00FC\xff.example/",                             // Not UTF-8.
           "http://a\u2044b.example/",                               // A slash in disguise.
           "http://\uFF11\uFF12\uFF17.\uFF11/",                      // A number in disguise.
           "http://b\u00FC cher.example/",                           // A space.
           "http://\u200Db.example/",                                // A joiner where none may be.
           "http://\u00FC..example/",                                // An empty label.
           "http://evil.example\uFF03@good.example\u00FC\uFF0F.x/",  // A path in disguise.
       }) {
    CAPTURE(std::string(bad));
    CHECK(normal(bad).starts_with("refused"));
  }
}

TEST_CASE("only a host is mapped") {
  const Url base = Url::parse("http://a/b").value();
  CHECK(base.resolve("x//m\u00FCnchen/list", to_ascii)->str() == "http://a/x//m%C3%BCnchen/list");
  CHECK(base.resolve("/a//m\u00FCnchen", to_ascii)->str() == "http://a/a//m%C3%BCnchen");
  CHECK(base.resolve("?q=//m\u00FCnchen", to_ascii)->str() == "http://a/b?q=//m%C3%BCnchen");
  CHECK(base.resolve("//m\u00FCnchen/x", to_ascii)->str() == "http://xn--mnchen-3ya/x");
  CHECK_FALSE(Url::parse("http+unix://%2Frun%2F\u00FC.sock/", to_ascii));
  CHECK_FALSE(Url::parse("http+unix://\uFF20abstract/", to_ascii));  // A fullwidth at sign.
}

namespace {

std::string utf8(std::u32string_view text) {
  std::string out;
  for (const char32_t c : text) ferry::detail::append_utf8(out, c);
  return out;
}

/// True for the WHATWG's forbidden domain code points.
bool is_forbidden(char c) {
  return static_cast<unsigned char>(c) <= 0x20 || c == 0x7F ||
         std::string_view("#/:<>?@[\\]^|%").find(c) != std::string_view::npos;
}

/// The ASCII form that libidn2 gives by itself; empty if it refuses.
std::string raw_form(const std::string& host) {
  char* text = nullptr;
  const int code = idn2_to_ascii_8z(host.c_str(), &text, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
  const std::string form = code == IDN2_OK ? text : "";
  idn2_free(text);
  return form;
}

}  // namespace

TEST_CASE("[68] the ASCII form is a host and nothing else, for every character there is") {
  int forbidden = 0;
  int accepted = 0;
  std::string wrong;  // Texts of characters for which it is not.
  for (char32_t c = 0x80; c <= 0x10FFFF; ++c) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    const std::string host = utf8(U"a" + std::u32string(1, c) + U"b.example");
    const std::string form = raw_form(host);
    if (form.empty()) continue;  // Most are no characters, or none of names.
    const bool is_bad = std::any_of(form.begin(), form.end(), is_forbidden);
    forbidden += is_bad;
    const auto url = Url::parse("http://user@" + host + ":8080/path", to_ascii);
    accepted += url.has_value();
    const bool is_right = !url || (url->host() == form && url->port() == 8080 &&
                                   url->path() == "/path" && url->userinfo() == "user");
    if ((is_bad && url) || !is_right) wrong += " U+" + std::to_string(static_cast<unsigned>(c));
  }
  CHECK(wrong == "");
  CHECK(forbidden >= 40);
  CHECK(accepted > 80'000);
  CHECK_FALSE(
      Url::parse("http://a\u0378b.example/", to_ascii));  // A character that libidn2 refuses.
}

TEST_CASE("[68] a host that is mapped to an address and a path, or to a user, is no host") {
  for (const char* bad : {
           "http://127.0.0.1\uFF1A20400\uFF0F.trusted.example/x",  // A colon, a slash.
           "http://secret\uFF20127.0.0.1/x",                       // An at sign.
           "http://a\uFF0E\uFF1F.trusted.example/",                // A question mark.
           "http://a\uFF03.trusted.example/",                      // A number sign.
           "http://\uFF3B::1]/",                                   // Brackets.
           "http://\uFF3B\uFF11\uFF3D/",                           //
           "http://a\u2100.trusted.example/",                      // The sign of "account of".
           "http://a\uFF05\uFF12\uFF26b.example/",                 // A percent sign.
           "http://a\uFF3C\u00FC.example/",                        // A backslash.
           "http://\u00AD/",                                       // Nothing at all.
           "http://a%2Fb\u00FC/",                                  // Encoded before the mapping.
           "http://a%2Fb/",                                        //
       }) {
    CAPTURE(std::string(bad));
    CHECK(normal(bad).starts_with("refused"));
    const std::string host = std::string(bad).substr(7);
    CHECK_FALSE(to_ascii(host.substr(0, host.find('/'))));
  }
  CHECK_FALSE(to_ascii(std::string("\u00FC\0.trusted.example", 20)));  // libidn2 would end there.
  CHECK_FALSE(to_ascii(""));
  // Whatever function it is: its result is checked.
  for (const auto mapping : {+[](std::string_view) { return ferry::Result<std::string>("a/b"); },
                             +[](std::string_view) { return ferry::Result<std::string>(""); },
                             +[](std::string_view) { return ferry::Result<std::string>("[::1]"); },
                             +[](std::string_view) { return ferry::Result<std::string>("u@h"); },
                             +[](std::string_view) { return ferry::Result<std::string>("1.2"); }})
    CHECK_FALSE(Url::parse("http://\u00FC/", mapping));
}

TEST_CASE("[47] the error of a host that cannot be mapped shows no password") {
  const auto error = Url::parse("http://s\u00E9cret\u200D/rest@host/", to_ascii);
  REQUIRE_FALSE(error);
  CHECK(std::string(error.error().what()).find("cret") == std::string::npos);
}

TEST_CASE("[68] Location, base URLs, origins and proxies are checked alike") {
  const std::string there = "http://127.0.0.1\uFF1A20400\uFF0F.trusted.example/x";
  ferry::ClientOptions options;
  options.idna = to_ascii;
  auto one =
      test::script({"HTTP/1.1 302 Found\r\nLocation: " + there + "\r\nContent-Length: 0\r\n\r\n"});
  test::Scripted s(one, options);
  CHECK(test::code_of(s.get()) == Errc::invalid_redirect);
  CHECK(test::code_of(s.send(Request::get(there))) == Errc::invalid_url);
  CHECK(s.connections() == 1);
  test::run(s.context, [&]() -> asio::awaitable<void> {
    try {
      co_await s.client->pool().acquire(there);
      FAIL("acquired");
    } catch (const ferry::Error& error) {
      CHECK(error.code() == Errc::invalid_url);
    }
  });
  auto base = options;
  base.base_url = there;
  CHECK_THROWS_AS(ferry::Client(s.context, base), ferry::Error);
  auto proxy = options;
  proxy.proxy = ferry::ProxyOptions(there);
  CHECK_THROWS_AS(ferry::Client(s.context, proxy), ferry::Error);
  proxy.proxy = ferry::ProxyOptions("http://b\u00FCcher.example:3128");
  CHECK_NOTHROW(ferry::Client(s.context, proxy));
}

TEST_CASE("a client's base URL may have such a host") {
  asio::io_context context{1};
  ferry::ClientOptions options;
  options.base_url = "http://b\u00FCcher.example/";
  CHECK_THROWS_AS(ferry::Client(context, options), ferry::Error);
  options.idna = to_ascii;
  CHECK_NOTHROW(ferry::Client(context, options));
  // On a pool that maps them, too.
  ferry::PoolOptions pool_options;
  pool_options.idna = to_ascii;
  const ferry::ConnectionPool pool(context, pool_options);
  options.idna = nullptr;
  CHECK_NOTHROW(ferry::Client(pool, options));
}

TEST_CASE("without it the error names the header") {
  const auto url = Request::get("http://b\u00FCcher.example/").target(Url());
  REQUIRE_FALSE(url);
  CHECK(std::string(url.error().what()).find("ferry/idna.hpp") != std::string::npos);
}

#include <doctest/doctest.h>
#include <string>

#include <asio/io_context.hpp>

#include <ferry/client.hpp>
#include <ferry/idna.hpp>
#include <ferry/request.hpp>

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
  for (const char* reference : {"x//m\u00FCnchen/list", "/a//m\u00FCnchen", "?q=//m\u00FCnchen"})
    CHECK(ferry::detail::with_ascii_host(reference, to_ascii).value() == reference);
  CHECK(ferry::detail::with_ascii_host("//m\u00FCnchen/x", to_ascii).value() ==
        "//xn--mnchen-3ya/x");
}

TEST_CASE("a client's base URL may have such a host") {
  asio::io_context context{1};
  ferry::ClientOptions options;
  options.base_url = "http://b\u00FCcher.example/";
  CHECK_THROWS_AS(ferry::Client(context, options), ferry::Error);
  options.idna = to_ascii;
  CHECK_NOTHROW(ferry::Client(context, options));
}

TEST_CASE("without it the error names the header") {
  const auto url = Request::get("http://b\u00FCcher.example/").target(Url());
  REQUIRE_FALSE(url);
  CHECK(std::string(url.error().what()).find("ferry/idna.hpp") != std::string::npos);
}

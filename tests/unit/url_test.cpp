#include <cstdint>
#include <doctest/doctest.h>
#include <random>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <ferry/url.hpp>

using ferry::Url;
using namespace std::string_literals;

namespace {

Url url(std::string text) { return Url::parse(std::move(text)).value(); }

std::string normal(std::string text) { return url(std::move(text)).str(); }

// The error's message; the text must be refused as an invalid URL.
std::string refusal(const ferry::Result<Url>& result) {
  if (result) return "accepted: " + result->str();
  CHECK(result.error().code() == ferry::Errc::invalid_url);
  CHECK(result.error().code() == ferry::Condition::invalid_request);
  return result.error().what();
}

std::string refusal(std::string text) { return refusal(Url::parse(std::move(text))); }

bool contains(std::string_view text, std::string_view part) { return text.find(part) != text.npos; }

// `resolve` against the base of RFC 3986 5.4.
std::string resolved(std::string_view reference) {
  const auto result = url("http://a/b/c/d;p?q").resolve(reference);
  return result ? result->str() : "refused";
}

}  // namespace

TEST_CASE("a URL gives its parts") {
  const auto u = url("https://user:pw@Example.COM:8443/a/b?x=1&y#top");
  CHECK(u.scheme() == "https");
  CHECK(u.userinfo() == "user:pw");
  CHECK(u.host() == "example.com");
  CHECK(u.port() == 8443);
  CHECK(u.authority() == "example.com:8443");
  CHECK(u.origin() == "https://example.com:8443");
  CHECK(u.path() == "/a/b");
  CHECK(u.query() == "x=1&y");
  CHECK(u.has_query());
  CHECK(u.fragment() == "top");
  CHECK(u.target() == "/a/b?x=1&y");
  CHECK(u.str() == "https://example.com:8443/a/b?x=1&y#top");
  CHECK_FALSE(u.empty());
}

TEST_CASE("absent parts are empty") {
  const auto u = url("http://h");
  CHECK(u.str() == "http://h/");
  CHECK(u.port() == 80);
  CHECK(u.authority() == "h");
  CHECK(u.origin() == "http://h");
  CHECK(u.path() == "/");
  CHECK(u.target() == "/");
  CHECK_FALSE(u.has_query());
  CHECK(u.query().empty());
  CHECK(u.fragment().empty());
  CHECK(u.userinfo().empty());

  const auto fragment_only = url("http://h#f?g");
  CHECK(fragment_only.target() == "/");
  CHECK(fragment_only.query().empty());
  CHECK_FALSE(fragment_only.has_query());
  CHECK(fragment_only.fragment() == "f?g");

  const auto empty_query = url("http://h?#");
  CHECK(empty_query.str() == "http://h/?#");
  CHECK(empty_query.has_query());
  CHECK(empty_query.query().empty());
  CHECK(empty_query.target() == "/?");
}

TEST_CASE("an empty URL") {
  const Url u;
  CHECK(u.empty());
  CHECK(u.scheme().empty());
  CHECK(u.host().empty());
  CHECK(u.port() == 0);
  CHECK(u.authority().empty());
  CHECK(u.origin().empty());
  CHECK(u.path().empty());
  CHECK(u.query().empty());
  CHECK_FALSE(u.has_query());
  CHECK(u.fragment().empty());
  CHECK(u.target().empty());
  CHECK(u == Url());
  CHECK(u.resolve("http://user@h/x").value() == url("http://user@h/x"));
  CHECK(contains(refusal(u.resolve("/slow")), "base_url"));
}

TEST_CASE("a moved-from URL gives empty views") {
  auto u = url("http://example.com:8080/some/path?query#fragment");
  const auto moved = std::move(u);
  CHECK(moved.port() == 8080);
  CHECK(u.empty());  // NOLINT(bugprone-use-after-move)
  CHECK(u.host().empty());
  CHECK(u.target().empty());
  CHECK(u.fragment().empty());
}

TEST_CASE("a URL in normal form is taken over without a copy") {
  for (const char* text :
       {"http://localhost:8080/a?b=c", "http://127.0.0.1:8080/a/b.c/..d/%2F?x=%20#f"}) {
    std::string argument = text;
    const auto* buffer = argument.data();
    const auto u = url(std::move(argument));
    CHECK(u.str() == text);
    CHECK(u.str().data() == buffer);
  }
}

TEST_CASE("normal form") {
  CHECK(normal("HTTP://LocalHost/A?B#C") == "http://localhost/A?B#C");
  CHECK(normal("http://h:80/") == "http://h/");
  CHECK(normal("https://h:443/") == "https://h/");
  CHECK(normal("HTTPS://h:443") == "https://h/");
  CHECK(normal("https://h:80/") == "https://h:80/");
  CHECK(normal("http://h:/x") == "http://h/x");
  CHECK(normal("http://h:0080/") == "http://h/");
  CHECK(normal("http://h:08080/") == "http://h:8080/");
  CHECK(normal("http://h:65535/") == "http://h:65535/");
  CHECK(normal("http://h?a") == "http://h/?a");
  CHECK(normal("http://h#a") == "http://h/#a");
  CHECK(normal("http://user@h/") == "http://h/");
  CHECK(normal("http://@h/") == "http://h/");
  CHECK(normal("http://h./") == "http://h./");
  CHECK(normal("http://under_score.h!$&'()*+,;=~/") == "http://under_score.h!$&'()*+,;=~/");
  CHECK(normal("http://xn--mnchen-3ya.de/") == "http://xn--mnchen-3ya.de/");
}

TEST_CASE("other schemes are read; their ports are their own") {
  CHECK(url("ftp://h/").port() == 0);
  CHECK(Url::parse("ftp://h:80/")->authority() == "h:80");
  CHECK(Url::parse("a+b-c.1://h/")->scheme() == "a+b-c.1");
}

TEST_CASE("dot segments are removed") {
  CHECK(normal("http://h/a/./b/../c") == "http://h/a/c");
  CHECK(normal("http://h/a/b/..") == "http://h/a/");
  CHECK(normal("http://h/a/b/.") == "http://h/a/b/");
  CHECK(normal("http://h/..") == "http://h/");
  CHECK(normal("http://h/../../x") == "http://h/x");
  CHECK(normal("http://h/a//../b") == "http://h/a/b");
  CHECK(normal("http://h/a/..//b") == "http://h//b");
  CHECK(normal("http://h/.a/..b/c./...") == "http://h/.a/..b/c./...");
  CHECK(normal("http://h/a?/../b#/../c") == "http://h/a?/../b#/../c");
}

TEST_CASE(
    "[42] a space and non-ASCII bytes in path and query are percent-encoded, never sent raw") {
  CHECK(normal("http://h/a b?c d#e f") == "http://h/a%20b?c%20d#e%20f");
  CHECK(normal("http://h/m\xC3\xBCnchen?\xE2\x82\xAC") == "http://h/m%C3%BCnchen?%E2%82%AC");
  CHECK(normal("http://h/\xFF") == "http://h/%FF");
  CHECK(normal("http://h/\"<>\\^`{|}?\"<>\\^`{|}") ==
        "http://h/%22%3C%3E%5C%5E%60%7B%7C%7D?%22%3C%3E%5C%5E%60%7B%7C%7D");
  CHECK(normal("http://h/a b/../c d") == "http://h/c%20d");
}

TEST_CASE("what is percent-encoded stays as it is; a stray % is encoded") {
  CHECK(normal("http://h/%2f%2F%41?%20") == "http://h/%2f%2F%41?%20");
  CHECK(normal("http://h/100%") == "http://h/100%25");
  CHECK(normal("http://h/%4?%zz") == "http://h/%254?%25zz");
  CHECK(normal("http://h/%/41?%#41") == "http://h/%25/41?%25#41");
  CHECK(normal("http://h/%%41") == "http://h/%25%41");
}

TEST_CASE("[42] control characters are refused everywhere") {
  const std::string text = "http://user@host:80/path?query#fragment";
  for (std::size_t i = 0; i <= text.size(); ++i)
    for (char c : "\0\t\r\n\x1f\x7f"s) {
      auto bad = text;
      bad.insert(i, 1, c);
      const auto why = refusal(std::move(bad));
      CHECK(contains(why, "control character"));
      CHECK(contains(why, "at byte " + std::to_string(i)));
    }
  CHECK(contains(refusal("http://h/\n"), "\"\\x0a\""));
  CHECK(contains(refusal(url("http://h/").resolve("/a\r\nX: y")), "at byte 2"));
}

TEST_CASE("[42] spaces around a URL or in its host are refused") {
  CHECK(contains(refusal(" http://h/"), "space"));
  CHECK(contains(refusal("http://h/ "), "space"));
  CHECK(contains(refusal(url("http://h/").resolve(" /x")), "space"));
  CHECK(contains(refusal(url("http://h/").resolve("/x ")), "space"));
  CHECK(contains(refusal("http://a b/"), "the host \"a b\" has a character"));
}

TEST_CASE("text that is no absolute URL is refused with a hint") {
  CHECK(contains(refusal(""), "empty"));
  for (const char* text : {"/slow", "localhost", "localhost:8080/x", "//h/x", "http:/h", "http:h",
                           "://h/", "1http://h/", "ht tp://h/", "?x", "http"}) {
    const auto why = refusal(text);
    CHECK(contains(why, "did you mean \"http://...\"?"));
    CHECK(contains(why, "base_url"));
  }
  CHECK(contains(refusal("/slow?secret"), "the text \"/slow\" does not begin"));
  for (const char* text : {"http://", "http:///x", "http://?x", "http://#x", "http://:80/",
                           "http://u@/", "http://u@:80/"})
    CHECK(contains(refusal(text), "the host is missing"));
}

TEST_CASE("[46] hosts that programs read in different ways are refused") {
  CHECK(contains(refusal("http://a%2Fb/"), "percent-encoded"));
  CHECK(contains(refusal("http://a%00b/"), "percent-encoded"));
  CHECK(contains(refusal("http://%61/"), "percent-encoded"));
  CHECK(contains(refusal("http://m\xC3\xBCnchen.de/"), "xn--"));
  for (char c : "<>^`|\"{}[]"s)
    CHECK(contains(refusal("http://a"s + c + "b/"), "has a character that no host may have"));
  for (const char* host : {".", "..", "a..b", ".a", "a.."})
    CHECK(contains(refusal("http://"s + host + "/"), "has an empty label"));
  CHECK(Url::parse("http://" + std::string(255, 'a')).has_value());
  CHECK(contains(refusal("http://" + std::string(256, 'a')), "longer than 255 bytes"));
}

TEST_CASE("[46] userinfo tricks are refused") {
  CHECK(contains(refusal("http://a\\@b"), "backslash"));
  CHECK(contains(refusal("http://a\\b/"), "backslash"));
  CHECK(contains(refusal("http://a@b\\/c"), "backslash"));
  CHECK(contains(refusal("http://a@b@c/"), "more than one \"@\""));
  CHECK(Url::parse("http://b#@evil/")->host() == "b");
  CHECK(Url::parse("http://b?@evil/")->host() == "b");
  CHECK(Url::parse("http://b/@evil/")->host() == "b");
  CHECK(Url::parse("http://evil.com:80@h/")->host() == "h");
  CHECK(Url::parse("http://a%40b:c d@h/")->userinfo() == "a%40b:c d");
}

TEST_CASE("[46] ports") {
  for (const char* port :
       {"0", "65536", "99999999999999999999999", "-1", "+80", "8 0", "0x50", "80a", "80:81"})
    CHECK(contains(refusal("http://h:"s + port + "/"),
                   "the port after the host \"h\" is not a number from 1"));
}

TEST_CASE("[46] IPv6 hosts") {
  const auto u = url("http://[2001:DB8::1]:8080/x");
  CHECK(u.host() == "2001:db8::1");
  CHECK(u.authority() == "[2001:db8::1]:8080");
  CHECK(u.str() == "http://[2001:db8::1]:8080/x");
  CHECK(u.port() == 8080);
  CHECK(normal("http://[::1]:80/") == "http://[::1]/");
  for (const char* host :
       {"::", "::1", "1::", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "1:2::7:8",
        "::ffff:1.2.3.4", "1:2:3:4:5:6:1.2.3.4", "::1.2.3.4", "64:ff9b::0.0.0.0"})
    CHECK(Url::parse("http://["s + host + "]/")->host() == host);
  for (const char* host : {"",
                           ":",
                           ":::",
                           "1",
                           "1:",
                           ":1",
                           "1:2:3:4:5:6:7",
                           "1:2:3:4:5:6:7:8:9",
                           "1:2:3:4:5:6:7:8::",
                           "1::2::3",
                           "12345::",
                           "g::",
                           "1:::2",
                           "1::2:",
                           ":1::2",
                           "1.2.3.4",
                           "::1.2.3",
                           "::1.2.3.256",
                           "::01.2.3.4",
                           "::1.2.3.4:5",
                           "1.2.3.4::",
                           "1:2:3:4:5:6:7:1.2.3.4",
                           "::-1",
                           ":: 1",
                           "v1.x",
                           "::1[",
                           "h"})
    CHECK(contains(refusal("http://["s + host + "]/"), "is not a valid IPv6 address"));
  for (const char* text : {"http://[", "http://[::1", "http://[]", "http://[::1]x/",
                           "http://[::1]]/", "http://[[::1]/"})
    CHECK(contains(refusal(text), "is not a valid IPv6 address"));
  CHECK(contains(refusal("http://[::1]:x/"), "port"));
  CHECK_FALSE(Url::parse("http://::1/"));
}

TEST_CASE("[46] IPv6 zones are refused (CVE-2022-27780)") {
  CHECK(contains(refusal("http://[fe80::1%25eth0]/"), "zone"));
  CHECK(contains(refusal("http://[fe80::1%eth0]/"), "zone"));
}

TEST_CASE("[46] hosts that look like IPv4 addresses must be four plain octets") {
  for (const char* host : {"127.0.0.1", "0.0.0.0", "255.255.255.255", "1.2.3.4a", "1.2.3.com",
                           "0xg.example", "1e", "0x.a"})
    CHECK(Url::parse("http://"s + host + "/")->host() == host);
  for (const char* host :
       {"127.1", "0x7f.1", "010.0.0.1", "2130706433", "0x7f000001", "0x", "256.0.0.1", "1.2.3.4.5",
        "1.2.3", "127.0.0.1.", "1.2.3.0x4", "1.2.3.04", "a.1", "a.0X1f", "0", "1.2.3.4444"})
    CHECK(contains(refusal("http://"s + host + "/"), "looks like an IPv4 address"));
}

TEST_CASE("[47] no error shows userinfo, nor a query") {
  for (const char* text : {
           "http://secret:SECRET@/",
           "http://secret:SECRET@a%b/",
           "http://secret:SECRET@a..b/?secret",
           "http://secret:SECRET@127.1/",
           "http://secret:SECRET@[::g]/",
           "http://secret:SECRET@[::1%secret]/@",
           "http://secret:SECRET@h:99999/",
           "http://secret:SECRET\\@h/",
           "http://sec@ret:SECRET@secret/",
           "http://secret:SECRET\n@h/",
           "http://secret:SEC/RET@h/",
           "http://secret:SEC?RET@h/",
           "http://secret:SEC#RET@h/",
           "http://secret%:SEC/RET@h/",
           "http://secret..secret/RET@h/",
           "http://secret:123456/SECRET@h/",
           "http://h:secret/",
           "http:/secret:SECRET@h/",
           "http:secret:SECRET@h/",
           "secret:SECRET@h/",
           " http://secret@h/",
           "http://secret@h/ ",
           "/x?secret",
           "/x#secret",
           "http://a..b?secret",
           "http://h:0?secret",
       }) {
    const auto why = refusal(text);
    CHECK_FALSE(contains(why, "accepted"));
    for (const char* secret : {"secret", "SEC", "RET", "ret", "123"})
      CHECK_FALSE(contains(why, secret));
  }
}

TEST_CASE("[47] no view but userinfo() shows userinfo") {
  const auto u = url("http://secret:SECRET@h:81/p?q#f");
  for (std::string_view view : {u.scheme(), u.host(), u.authority(), u.origin(), u.path(),
                                u.query(), u.fragment(), u.target(), std::string_view(u.str())})
    CHECK_FALSE((contains(view, "secret") || contains(view, "SECRET")));
  CHECK(u.userinfo() == "secret:SECRET");
}

TEST_CASE("what is read at a glance is what a closer look sees") {
  std::mt19937 random(7);
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  const std::vector<std::string> hosts = {"h",
                                          "a.b",
                                          "1.2.3.4",
                                          "1.2.3",
                                          "1.2.3.4.5",
                                          "01.2.3.4",
                                          "256.1.1.1",
                                          "0x7f",
                                          "3com",
                                          "a.0x1",
                                          "1.2.3.4a",
                                          "a.",
                                          ".a",
                                          "a..b",
                                          "-",
                                          "a-b.c-d",
                                          "x.9",
                                          "9.x",
                                          "_",
                                          "",
                                          "A",
                                          std::string(255, 'a'),
                                          std::string(256, 'a'),
                                          "[::1]",
                                          "a@b"};
  const std::vector<std::string> ports = {"",        ":",    ":0",     ":1",     ":80",
                                          ":443",    ":080", ":65535", ":65536", ":99999",
                                          ":100000", ":8a",  ":8:8"};
  const std::vector<std::string> tails = {"",     "/",   "?",    "#",          "/a",   "/a/../b",
                                          "/./",  "/.a", "/a.b", "/?a=/.b",    "/#?",  "/?#?#",
                                          "/%41", "/%4", "/a b", "/{",         "/[",   "/\\",
                                          "/\"",  "//",  "/..",  "/a?b?c#d#e", "/\xC3"};
  int accepted = 0;
  for (int round = 0; round < 20000; ++round) {
    const std::string rest = "://" + hosts[below(hosts.size())] + ports[below(ports.size())] +
                             tails[below(tails.size())];
    const char* const schemes[][2] = {{"http", "HTTP"}, {"https", "Https"}};
    const auto& [glanced, looked] = schemes[below(2)];
    const auto url = Url::parse(glanced + rest);
    const auto closely = Url::parse(looked + rest);
    REQUIRE_MESSAGE(url.has_value() == closely.has_value(), rest);
    if (!url) continue;
    ++accepted;
    REQUIRE_MESSAGE(*url == *closely, rest);
    REQUIRE(url->scheme() == closely->scheme());
    REQUIRE(url->host() == closely->host());
    REQUIRE(url->port() == closely->port());
    REQUIRE(url->origin() == closely->origin());
    REQUIRE(url->path() == closely->path());
    REQUIRE(url->query() == closely->query());
    REQUIRE(url->has_query() == closely->has_query());
    REQUIRE(url->fragment() == closely->fragment());
  }
  CHECK(accepted > 3000);
}

TEST_CASE("URLs of more than 1 MiB are refused") {
  const std::string prefix = "http://h/";
  CHECK(Url::parse(prefix + std::string(Url::max_size - prefix.size(), 'a')).has_value());
  CHECK(contains(refusal(prefix + std::string(Url::max_size - prefix.size() + 1, 'a')), "1 MiB"));
  CHECK(contains(refusal(prefix + "\xFF" + std::string(Url::max_size - prefix.size() - 1, 'a')),
                 "1 MiB"));
  CHECK(contains(refusal(url("http://h/").resolve(std::string(Url::max_size, 'a'))), "1 MiB"));
}

TEST_CASE("RFC 3986 5.4.1: normal examples") {
  CHECK(resolved("g:h") == "refused");  // "g:h" has no authority
  CHECK(resolved("g") == "http://a/b/c/g");
  CHECK(resolved("./g") == "http://a/b/c/g");
  CHECK(resolved("g/") == "http://a/b/c/g/");
  CHECK(resolved("/g") == "http://a/g");
  CHECK(resolved("//g") == "http://g/");  // "http://g" in normal form
  CHECK(resolved("?y") == "http://a/b/c/d;p?y");
  CHECK(resolved("g?y") == "http://a/b/c/g?y");
  CHECK(resolved("#s") == "http://a/b/c/d;p?q#s");
  CHECK(resolved("g#s") == "http://a/b/c/g#s");
  CHECK(resolved("g?y#s") == "http://a/b/c/g?y#s");
  CHECK(resolved(";x") == "http://a/b/c/;x");
  CHECK(resolved("g;x") == "http://a/b/c/g;x");
  CHECK(resolved("g;x?y#s") == "http://a/b/c/g;x?y#s");
  CHECK(resolved("") == "http://a/b/c/d;p?q");
  CHECK(resolved(".") == "http://a/b/c/");
  CHECK(resolved("./") == "http://a/b/c/");
  CHECK(resolved("..") == "http://a/b/");
  CHECK(resolved("../") == "http://a/b/");
  CHECK(resolved("../g") == "http://a/b/g");
  CHECK(resolved("../..") == "http://a/");
  CHECK(resolved("../../") == "http://a/");
  CHECK(resolved("../../g") == "http://a/g");
}

TEST_CASE("RFC 3986 5.4.2: abnormal examples") {
  CHECK(resolved("../../../g") == "http://a/g");
  CHECK(resolved("../../../../g") == "http://a/g");
  CHECK(resolved("/./g") == "http://a/g");
  CHECK(resolved("/../g") == "http://a/g");
  CHECK(resolved("g.") == "http://a/b/c/g.");
  CHECK(resolved(".g") == "http://a/b/c/.g");
  CHECK(resolved("g..") == "http://a/b/c/g..");
  CHECK(resolved("..g") == "http://a/b/c/..g");
  CHECK(resolved("./../g") == "http://a/b/g");
  CHECK(resolved("./g/.") == "http://a/b/c/g/");
  CHECK(resolved("g/./h") == "http://a/b/c/g/h");
  CHECK(resolved("g/../h") == "http://a/b/c/h");
  CHECK(resolved("g;x=1/./y") == "http://a/b/c/g;x=1/y");
  CHECK(resolved("g;x=1/../y") == "http://a/b/c/y");
  CHECK(resolved("g?y/./x") == "http://a/b/c/g?y/./x");
  CHECK(resolved("g?y/../x") == "http://a/b/c/g?y/../x");
  CHECK(resolved("g#s/./x") == "http://a/b/c/g#s/./x");
  CHECK(resolved("g#s/../x") == "http://a/b/c/g#s/../x");
  CHECK(resolved("http:g") == "refused");  // strict: "http:g", which has no authority
}

TEST_CASE("a reference is resolved as far as it goes, and checked") {
  const auto base = url("http://user:pw@h:81/a/b?q#f");
  CHECK(base.resolve("").value().str() == "http://h:81/a/b?q");
  CHECK(base.resolve("?").value().str() == "http://h:81/a/b?");
  CHECK(base.resolve("#").value().str() == "http://h:81/a/b?q#");
  CHECK(base.resolve("?y#z").value().str() == "http://h:81/a/b?y#z");
  CHECK(base.resolve("a/b:c").value().str() == "http://h:81/a/a/b:c");
  CHECK(base.resolve("?x:y").value().str() == "http://h:81/a/b?x:y");
  CHECK(base.resolve("c d/\xC3\xA4").value().str() == "http://h:81/a/c%20d/%C3%A4");
  CHECK(base.resolve("HTTPS://Other:443").value().str() == "https://other/");
  CHECK(url("http://h").resolve("x").value().str() == "http://h/x");

  // A reference that browsers would take to another host stays a path.
  CHECK(base.resolve("/\\evil/x").value().str() == "http://h:81/%5Cevil/x");
  CHECK(base.resolve("\\\\evil/x").value().str() == "http://h:81/a/%5C%5Cevil/x");
  CHECK(base.resolve("/.//evil").value().str() == "http://h:81//evil");
  CHECK_FALSE(base.resolve("//e\\vil/"));

  for (const char* reference : {"//a%2Fb/", "http://a@b@c/", "http://127.1/", "//", "//:80",
                                "//h:0/", "mailto:a@b", "127.0.0.1:80/x", ":x", "/\n"})
    CHECK_FALSE(base.resolve(reference));
}

TEST_CASE("userinfo stays with its authority") {
  const auto base = url("http://user:pw@h/a");
  for (const char* reference : {"", "/x", "x", "?x", "#x"})
    CHECK(base.resolve(reference)->userinfo() == "user:pw");
  for (const char* reference : {"//h/x", "http://h/x", "https://h/x", "//other", "http://other"})
    CHECK(base.resolve(reference)->userinfo().empty());
  CHECK(base.resolve("//me@h")->userinfo() == "me");
}

TEST_CASE("[42] add_query encodes what it is given") {
  const auto with = [](std::string text, std::string_view name, std::string_view value) {
    auto u = url(std::move(text));
    u.add_query(name, value);
    CHECK(u == url(u.str()));
    CHECK(u.target() == std::string(u.path()) + "?" + std::string(u.query()));
    return u.str();
  };
  CHECK(with("http://h", "a", "b") == "http://h/?a=b");
  CHECK(with("http://h?", "a", "b") == "http://h/?a=b");
  CHECK(with("http://h?x", "a", "b") == "http://h/?x&a=b");
  CHECK(with("http://h?x#f", "a", "b") == "http://h/?x&a=b#f");
  CHECK(with("http://h#f", "a", "") == "http://h/?a=#f");
  CHECK(with("http://h", "a b", "&=+#/?%") == "http://h/?a%20b=%26%3D%2B%23%2F%3F%25");
  CHECK(with("http://h", "-._~09azAZ", "\r\n\xC3\xA4") == "http://h/?-._~09azAZ=%0D%0A%C3%A4");

  auto u = url("http://h/p#frag");
  u.add_query("a", "1");
  u.add_query("b", "2");
  u.add_query(u.fragment(), u.query());
  CHECK(u.query() == "a=1&b=2&frag=a%3D1%26b%3D2");
  CHECK(u.fragment() == "frag");

  const auto before = u;
  CHECK_THROWS_AS(u.add_query("c", std::string(Url::max_size, 'x')), ferry::Error);
  CHECK(u == before);
}

TEST_CASE("equality is that of normal forms and userinfo") {
  CHECK(url("HTTP://H:80") == url("http://h/"));
  CHECK(url("http://h/") != url("https://h/"));
  CHECK(url("http://h/a") != url("http://h/A"));
  CHECK(url("http://h/") != url("http://user@h/"));
}

TEST_CASE("[42] [46] whatever bytes come, what is accepted is clean and reads back as itself") {
  std::mt19937 random(20240229);
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  const std::vector<std::string> pieces = {
      "http",  "HTTPS",   "://", "//",       "/",  ":",   "@",    "?",   "#",    "[",  "]",
      "::1",   "1.2.3.4", "a",   "b.c",      "..", ".",   "%",    "%41", "%zz",  "80", "443",
      "99999", "\\",      " ",   "\xC3\xA4", "\n", "&x=", "\x7f", "{",   "0x7f", "-"};
  int accepted = 0;
  for (int round = 0; round < 60000; ++round) {
    std::string text = below(4) != 0 ? "http://h" : "";
    for (auto n = below(10); n > 0; --n) {
      if (below(8) == 0)
        text += static_cast<char>(random());
      else
        text += pieces[below(pieces.size())];
    }
    const auto base = url("http://user@base:81/a/b?c#d");
    for (const auto& result : {Url::parse(text), base.resolve(text)}) {
      if (!result) continue;
      ++accepted;
      for (char c : result->str()) REQUIRE((c > ' ' && c < '\x7f'));
      const auto again = Url::parse(result->str());
      REQUIRE_MESSAGE(again.has_value(), result->str());
      REQUIRE(again->str() == result->str());
      REQUIRE(again->port() == result->port());
      REQUIRE(again->authority() == result->authority());
      REQUIRE(again->target() == result->target());
      REQUIRE(again->fragment() == result->fragment());
      // The normal form is read at a glance, its scheme in capitals is not: with the same result.
      auto closely = result->str();
      closely[0] = 'H';
      if (result->scheme().starts_with("http")) REQUIRE(url(closely) == *again);
      REQUIRE(result->path().starts_with('/'));
      REQUIRE_FALSE(result->host().empty());
      REQUIRE_FALSE(contains(result->authority(), "@"));
      REQUIRE(result->resolve("")->target() == result->target());
    }
  }
  CHECK(accepted > 10000);
}

TEST_CASE("Unix sockets as hosts") {
  const auto socket = url("HTTP+unix://%2Frun%2FApp.sock/a/../b?q");
  CHECK(socket.str() == "http+unix://%2Frun%2FApp.sock/b?q");
  CHECK(socket.unix_path() == "/run/App.sock");
  CHECK(socket.target() == "/b?q");
  CHECK(socket.resolve("/c").value().unix_path() == "/run/App.sock");
  CHECK(url("http+unix://%40name").unix_path() == "@name");
  CHECK(url("http://example.com").unix_path().empty());
  for (const char* bad : {"http+unix:///run/app.sock", "http+unix://run", "http+unix://%2F",
                          "http+unix://%2Frun%00x", "http+unix://%2Frun:80/",
                          "http+unix://u@%2Frun/", "http+unix://%2Fr%zz", "http+unix://%2F%2"})
    CHECK_MESSAGE(refusal(Url::parse(bad)).find("host") != std::string::npos, bad);
}

#include <doctest/doctest.h>
#include <set>
#include <sstream>
#include <string>
#include <string_view>

#include <ferry/headers.hpp>
#include <ferry/method.hpp>
#include <ferry/status.hpp>

using ferry::Errc;
using ferry::Error;
using ferry::Headers;

namespace {
std::string list(const Headers& headers) {
  std::string text;
  for (const auto [name, value] : headers) text.append(name).append("=").append(value).append(";");
  return text;
}
}  // namespace

TEST_CASE("headers keep their order and compare names without case") {
  Headers headers;
  headers.add("Accept", "a").add("X-One", "1").add("accept", "b");
  CHECK(list(headers) == "Accept=a;X-One=1;accept=b;");
  CHECK(headers.size() == 3);
  CHECK(headers.get("ACCEPT") == "a");
  CHECK(headers.get_all("accept") == std::vector<std::string_view>{"a", "b"});
  CHECK_FALSE(headers.get("missing"));
  CHECK(headers.contains("x-one"));
}

TEST_CASE("set replaces all fields of a name in the place of the first") {
  Headers headers;
  headers.add("A", "1").add("B", "2").add("a", "3").add("C", "4");
  headers.set("a", "a longer value");
  CHECK(list(headers) == "A=a longer value;B=2;C=4;");
  headers.set("D", "5");
  CHECK(headers.remove("b") == 1);
  CHECK(headers.remove("b") == 0);
  CHECK(list(headers) == "A=a longer value;C=4;D=5;");
  CHECK(headers.remove("a") == 1);
  CHECK(headers.remove("c") == 1);
  CHECK(headers.remove("d") == 1);
  CHECK(headers.empty());
  CHECK(headers.begin() == headers.end());
}

TEST_CASE("a field that is changed over and over takes no more and more memory") {
  Headers headers;
  headers.add("A", "1").add("B", "2");
  for (std::size_t i = 0; i < 10'000; ++i) {
    headers.set("B", std::string(i % 100, 'b'));
    headers.add("C", "3").remove("C");
  }
  CHECK(list(headers) == "A=1;B=" + std::string(99, 'b') + ";");
  CHECK(ferry::detail::access::table(headers).text().size() < 1000);
  const Headers copy = headers;
  const Headers moved = std::move(headers);
  CHECK(list(copy) == list(moved));
  CHECK(headers.empty());
  CHECK(headers.get("A") == std::nullopt);
}

TEST_CASE("optional white space is no part of a value") {
  Headers headers;
  headers.add("A", " \t x y\t ").add("B", "   ");
  CHECK(headers.get("A") == "x y");
  CHECK(headers.get("B") == "");
  headers.set("A", "  z ");
  CHECK(headers.get("A") == "z");
}

TEST_CASE("[43] what could break out of a field is refused, and nothing is changed") {
  Headers headers;
  headers.add("Keep", "me");
  using namespace std::string_literals;
  for (const std::string& name :
       {""s, "a b"s, "a:"s, "a\r\nb"s, "a\0b"s, "\xC3\xA4"s, "a\tb"s, "(a)"s}) {
    CAPTURE(name);
    CHECK_THROWS_AS(headers.add(name, "v"), Error);
    CHECK_THROWS_AS(headers.set(name, "v"), Error);
  }
  for (const std::string& value :
       {"a\r\nb"s, "a\nb"s, "a\rb"s, "a\0b"s, "\x01"s, "\x7F"s, "secret\r\nX: y"s}) {
    CHECK_THROWS_AS(headers.add("N", value), Error);
    CHECK_THROWS_AS(headers.set("Keep", value), Error);
  }
  CHECK(list(headers) == "Keep=me;");
  headers.add("Text", "tab\there, \xC3\xA4 as it is");
  CHECK(headers.get("Text") == "tab\there, \xC3\xA4 as it is");
}

TEST_CASE("the error about a value does not show the value") {
  Headers headers;
  try {
    headers.add("Authorization", "Bearer hunter2\r\n");
    FAIL("accepted");
  } catch (const Error& error) {
    CHECK(error.code() == Errc::invalid_header);
    CHECK(std::string(error.what()).find("hunter2") == std::string::npos);
    CHECK(std::string(error.what()).find("Authorization") != std::string::npos);
  }
}

TEST_CASE("[34] list tokens are found in any position and line, and only whole") {
  Headers headers;
  headers.add("Connection", "foo , CLOSE,bar");
  CHECK(headers.has_token("connection", "close"));
  CHECK(headers.has_token("connection", "bar"));
  CHECK_FALSE(headers.has_token("connection", "clos"));
  Headers other;
  other.add("Connection", "closed").add("Connection", "not-close").add("Connection", "");
  CHECK_FALSE(other.has_token("Connection", "close"));
  other.add("connection", "x,\tclose");
  CHECK(other.has_token("Connection", "close"));
}

TEST_CASE("[41] methods") {
  using ferry::Method;
  const Method get;
  const Method remove = Method::delete_();
  CHECK(get.token() == "GET");
  CHECK(remove.token() == "DELETE");
  CHECK(Method("PURGE").is_valid());
  CHECK(Method("get").is_valid());
  CHECK(Method("get") != Method::get());
  using namespace std::string_literals;
  for (const std::string& token :
       {""s, "GE T"s, "GET\r\n"s, "G\tET"s, "G\0T"s, "GET "s, "CONNECT"s, "\xC3\x84"s})
    CHECK_FALSE(Method(token).is_valid());
  CHECK(Method::get().is_idempotent());
  CHECK(Method::put().is_idempotent());
  CHECK(Method::delete_().is_idempotent());
  CHECK_FALSE(Method::post().is_idempotent());
  CHECK_FALSE(Method::patch().is_idempotent());
  CHECK_FALSE(Method("PURGE").is_idempotent());
}

TEST_CASE("[31] the methods that IANA's registry calls idempotent, and no others") {
  using ferry::Method;
  std::istringstream idempotent(
      "ACL BASELINE-CONTROL BIND CHECKIN CHECKOUT COPY DELETE GET HEAD LABEL LINK MERGE MKACTIVITY "
      "MKCALENDAR MKCOL MKREDIRECTREF MKWORKSPACE MOVE OPTIONS ORDERPATCH PRI PROPFIND PROPPATCH "
      "PUT QUERY REBIND REPORT SEARCH TRACE UNBIND UNCHECKOUT UNLINK UNLOCK UPDATE "
      "UPDATEREDIRECTREF VERSION-CONTROL");
  for (std::string token; idempotent >> token;) {
    CAPTURE(token);
    CHECK(Method(token).is_idempotent());
  }
  std::istringstream others("CONNECT LOCK PATCH POST * propfind Get QUER QUERYX A ZZZ");
  for (std::string token; others >> token;) {
    CAPTURE(token);
    CHECK_FALSE(Method(token).is_idempotent());
  }
  CHECK_FALSE(Method("").is_idempotent());
}

TEST_CASE("status classes and reason phrases") {
  using ferry::StatusClass;
  CHECK(ferry::status_class(100) == StatusClass::informational);
  CHECK(ferry::status_class(404) == StatusClass::client_error);
  CHECK(ferry::status_class(599) == StatusClass::server_error);
  CHECK(ferry::status_class(600) == StatusClass::other);
  CHECK(ferry::reason_phrase(418).empty());
  CHECK(ferry::reason_phrase(503) == "Service Unavailable");
  std::set<std::string_view> phrases;
  int named = 0;
  for (int status = 100; status < 600; ++status) {
    if (ferry::reason_phrase(status).empty()) continue;
    phrases.insert(ferry::reason_phrase(status));
    ++named;
  }
  CHECK(static_cast<int>(phrases.size()) == named);
  CHECK(named == 60);  // The registry, without what is unused or obsolete there.
}

TEST_CASE("fields may be changed by views into themselves") {
  ferry::Headers headers;
  headers.add("Authorization", std::string(40, 's')).add("Bb", "2").add("Authorization", "3");
  headers.add("X", *headers.get("Authorization"));
  CHECK(headers.get("X") == std::string(40, 's'));
  headers.set("Bb", *headers.get("X"));
  CHECK(headers.get("Bb") == std::string(40, 's'));
  CHECK(headers.remove((*headers.begin()).name) == 2);
  CHECK(headers.size() == 2);
}

#include <doctest/doctest.h>
#include <sstream>

#include <ferry/error.hpp>
#include <ferry/event.hpp>
#include <ferry/options.hpp>

using ferry::Event;

namespace {
std::string printed(Event event, ferry::LogOptions options = {}) {
  std::ostringstream out;
  ferry::log_to(out, options)(event);
  return out.str();
}
}  // namespace

TEST_CASE("the log speaks in urllib3's words") {
  Event event{Event::Kind::connection_opening};
  event.origin = "http://localhost:8080";
  event.number = 1;
  CHECK(printed(event) == "Starting new HTTP connection (1): localhost:8080\n");
  event.origin = "http://example.com";
  CHECK(printed(event) == "Starting new HTTP connection (1): example.com:80\n");
  event.origin = "http://[::1]";
  CHECK(printed(event) == "Starting new HTTP connection (1): [::1]:80\n");

  event = Event{Event::Kind::response_received};
  event.origin = "http://localhost:8080";
  event.method = "GET";
  event.target = "/a?token=hunter2";
  event.status = 200;
  event.version = "HTTP/1.1";
  event.body_size = 9593;
  CHECK(printed(event) == "http://localhost:8080 \"GET /a?... HTTP/1.1\" 200 9593\n");
  CHECK(printed(event, {.show_query = true}) ==
        "http://localhost:8080 \"GET /a?token=hunter2 HTTP/1.1\" 200 9593\n");
}

TEST_CASE("the log shows nothing behind ? or # unless asked") {
  struct Case {
    const char* location;
    const char* shown;
  };
  const Case cases[] = {{"http://b/cb#access_token=secret", "http://b/cb#..."},
                        {"http://b/cb?code=secret#state=secret", "http://b/cb?..."},
                        {"http://b/cb#a?b=secret", "http://b/cb#..."},
                        {"http://b/cb?", "http://b/cb?..."},
                        {"http://b/cb", "http://b/cb"}};
  for (const Case& c : cases) {
    Event event{Event::Kind::redirected};
    event.origin = "http://a";
    event.target = "/x";
    event.location = c.location;
    CHECK(printed(event) == std::string("Redirecting http://a/x -> ") + c.shown + "\n");
    CHECK(printed(event, {.show_query = true}) ==
          std::string("Redirecting http://a/x -> ") + c.location + "\n");
  }
}

TEST_CASE("the log has a line for each kind of event") {
  const ferry::Error error(ferry::Errc::connection_refused);
  Event event{};
  event.origin = "http://a";
  event.connection = 3;
  event.number = 2;
  event.method = "GET";
  event.target = "/b?c";
  event.location = "/d?e";
  event.status = 103;
  event.duration = std::chrono::milliseconds(2);
  event.error = &error;
  const auto line = [&](Event::Kind kind, bool verbose) {
    event.kind = kind;
    return printed(event, {.verbose = verbose});
  };
  using Kind = Event::Kind;
  CHECK(line(Kind::connection_failed, false) == "Connection (2) failed: connection refused\n");
  CHECK(line(Kind::request_retried, false) == "Retrying http://a GET /b?...: connection refused\n");
  CHECK(line(Kind::redirected, false) == "Redirecting http://a/b?... -> /d?...\n");
  CHECK(line(Kind::request_failed, false) ==
        "http://a \"GET /b?...\" failed: connection refused\n");
  CHECK(line(Kind::connection_reused, true) ==
        "Reusing connection #3 to http://a, idle for 2.000 ms\n");
  CHECK(line(Kind::request_sent, true) == "Sent GET /b?... on connection #3\n");
  CHECK(line(Kind::interim_received, true) == "Interim response: 103 after 2.000 ms\n");
  CHECK(line(Kind::head_received, true) == "Head received: 103 after 2.000 ms\n");
  for (const auto kind :
       {Kind::connection_reused, Kind::request_sent, Kind::interim_received, Kind::head_received})
    CHECK(line(kind, false).empty());
}

TEST_CASE("every reason to close a connection has a name of its own") {
  std::string seen;
  for (int value = 0; value <= static_cast<int>(ferry::CloseReason::ambiguous_framing); ++value) {
    const std::string name(to_string(static_cast<ferry::CloseReason>(value)));
    CHECK(name != "unknown");
    CHECK(seen.find("|" + name + "|") == std::string::npos);
    seen += "|" + name + "|";
  }
}

TEST_CASE("details are printed when asked for") {
  Event event{Event::Kind::connection_closed};
  event.origin = "http://a";
  event.connection = 3;
  event.reason = ferry::CloseReason::closed_by_peer;
  CHECK(printed(event).empty());
  CHECK(printed(event, {.verbose = true}) ==
        "Closed connection #3 to http://a: closed by the server\n");
}

TEST_CASE("durations are printed in milliseconds, long ones in seconds") {
  Event event{Event::Kind::connection_opened};
  event.origin = "http://a";
  event.connection = 3;
  event.duration = std::chrono::microseconds(1234);
  CHECK(printed(event, {.verbose = true}) == "Connection #3 to http://a open after 1.234 ms\n");
  event = Event{Event::Kind::waiting_long};
  event.origin = "http://a";
  event.duration = std::chrono::milliseconds(10'020);
  CHECK(printed(event) == "Waiting for a connection to http://a since 10.0 s\n");
}

TEST_CASE("an observer that throws breaks nothing") {
  const ferry::Observer observer = [](const Event&) { throw 1; };
  ferry::detail::observe(observer, Event{Event::Kind::request_sent});
}

TEST_CASE("a call's options go before its client's") {
  ferry::RequestOptions options;
  options.timeout = std::chrono::seconds(5);
  options.read_timeout = ferry::no_timeout;
  const auto merged = ferry::detail::merged(ferry::Timeouts(), options);
  CHECK(merged.total == std::chrono::seconds(5));
  CHECK(merged.read == ferry::no_timeout);
  CHECK(merged.connect == ferry::Timeouts().connect);
}

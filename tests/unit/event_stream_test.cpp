#include <doctest/doctest.h>
#include <string>
#include <string_view>
#include <vector>

#include <ferry/detail/http/event_stream.hpp>

using ferry::Errc;
using ferry::detail::SseParser;
using namespace std::chrono_literals;
using namespace std::string_literals;

namespace {

using Events = std::vector<std::string>;

// Feeds the text in pieces that end at these positions. An event is shown as "type|data|id".
Events read(std::string_view text, const std::vector<std::size_t>& ends, std::size_t limit) {
  SseParser parser(limit);
  Events events;
  const auto take = [&](std::string_view piece) {
    const std::string copy(piece);  // Memory that goes away.
    parser.feed(copy);
    for (;;) {
      const auto event = parser.next();
      if (!event) {
        CHECK(event.error().code() == Errc::body_too_large);
        events.push_back("!");
        return false;
      }
      if (!*event) return true;
      CHECK((*event)->id == parser.last_event_id());
      events.push_back((*event)->type + '|' + (*event)->data + '|' + (*event)->id);
    }
  };
  std::size_t begin = 0;
  for (const auto end : ends) {
    if (!take(text.substr(begin, end - begin))) return events;
    begin = end;
  }
  if (take(text.substr(begin)) && parser.retry())
    events.push_back("retry " + std::to_string(parser.retry()->count()));
  return events;
}

// The events, which have to be the same for every split.
Events events(std::string_view text, std::size_t limit = 1000) {
  const Events whole = read(text, {}, limit);
  std::vector<std::size_t> every;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    every.push_back(i);
    CHECK(read(text, {i}, limit) == whole);
    if (text.size() < 60)
      for (std::size_t j = i; j <= text.size(); ++j) CHECK(read(text, {i, j}, limit) == whole);
  }
  CHECK(read(text, every, limit) == whole);
  return whole;
}

}  // namespace

TEST_CASE("the examples of the standard") {
  CHECK(events("data: YHOO\ndata: +2\ndata: 10\n\n") == Events{"message|YHOO\n+2\n10|"});
  CHECK(events(": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\n"
               "data:  third event\n\ndata: never ended\n") ==
        Events{"message|first event|1", "message|second event|", "message| third event|"});
  CHECK(events("data\n\ndata\ndata\n\ndata:") == Events{"message||", "message|\n|"});
  CHECK(events("data:test\n\ndata: test\n\n") == Events{"message|test|", "message|test|"});
  CHECK(events("event: add\ndata: 73857293\n\nevent: remove\ndata: 2153\n\n") ==
        Events{"add|73857293|", "remove|2153|"});
}

TEST_CASE("lines may end in any way") {
  CHECK(events("data: a\r\n\r\ndata: b\r\rdata: c\n\ndata: d\r\n\ndata: e\n\r\n") ==
        Events{"message|a|", "message|b|", "message|c|", "message|d|", "message|e|"});
}

TEST_CASE("a byte order mark at the beginning is taken off, once") {
  CHECK(events("\xEF\xBB\xBF"
               "data: a\n\n") == Events{"message|a|"});
  CHECK(events("\xEF\xBB\xBF\xEF\xBB\xBF"
               "data: a\n\ndata: b\n\n") == Events{"message|b|"});
  CHECK(events("\n\xEF\xBB\xBF"
               "data: a\n\n") == Events{});
  CHECK(events("\xEF\xBB\xBF\n"
               "data: a\n\n") == Events{"message|a|"});
}

TEST_CASE("fields are what they are called, and comments and others are nothing") {
  CHECK(events(":\n: data: no\nData: no\n data: no\ndata : no\nfoo\nfoo: bar\n::\n\n") == Events{});
  CHECK(events("data:a:b: c\n\n") == Events{"message|a:b: c|"});
  CHECK(events("data:\t a\n\n") == Events{"message|\t a|"});
  CHECK(events("data\0: no\ndata: a\0b\n\n"s) == Events{"message|a\0b|"s});
  CHECK(events("event: x\n\ndata: a\n\n") == Events{"message|a|"});
  CHECK(events("event: x\nevent: y\ndata: a\n\n") == Events{"y|a|"});
  CHECK(events("event: x\nevent\ndata: a\n\n") == Events{"message|a|"});
  CHECK(events("data: a\nevent: x\n: ping\n\n\n\n") == Events{"x|a|"});
}

TEST_CASE("an id stays until there is another") {
  CHECK(events("id: 1\ndata: a\n\ndata: b\n\nid: 2\n\ndata: c\n\nid\ndata: d\n\n") ==
        Events{"message|a|1", "message|b|1", "message|c|2", "message|d|"});
  CHECK(events("id: 1\nid: x\0y\ndata: a\n\n"s) == Events{"message|a|1"});

  // It takes effect with its event, not before.
  SseParser parser(100);
  parser.feed("id: 7\n");
  CHECK_FALSE(*parser.next());
  CHECK(parser.last_event_id().empty());
  parser.feed("\n");
  CHECK_FALSE(*parser.next());
  CHECK(parser.last_event_id() == "7");
}

TEST_CASE("retry is a number of milliseconds") {
  CHECK(events("retry: 3000\n") == Events{"retry 3000"});
  CHECK(events("retry:0\n") == Events{"retry 0"});
  CHECK(events("retry: 10\nretry: \nretry: -1\nretry: 1.5\nretry: 5x\nretry:  7\nretry\n") ==
        Events{"retry 10"});
  CHECK(events("retry: 86400001\n") == Events{"retry 86400000"});
  CHECK(events("retry: 99999999999999999999999999\n") == Events{"retry 86400000"});
  CHECK(events("retry: 1") == Events{});
}

TEST_CASE("what is not UTF-8 is replaced") {
  CHECK(events("event: \xff\nid: \xc3\ndata: \xe2\x82\ndata: \u20ac\n\n") ==
        Events{"\uFFFD|\uFFFD\n\u20ac|\uFFFD"});
}

TEST_CASE("an event has a limit") {
  CHECK(events("data: 4567890\n\ndata: 4567890\n\n", 13) ==
        Events{"message|4567890|", "message|4567890|"});
  CHECK(events("data: 45678901\n\n", 13) == Events{"!"});
  CHECK(events("data: a\n\ndata:23456\ndata:2345\n\ndata:2345\n\n", 10) ==
        Events{"message|a|", "message|23456\n2345|", "message|2345|"});
  CHECK(events("data:23456\ndata:23456\n\n", 10) == Events{"!"});
  CHECK(events("event:6\nid:456\ndata:67890\ndata:1\n\n", 11) == Events{"6|67890\n1|456"});
  CHECK(events("event:6\nid:456\ndata:67890\ndata:12\n\n", 11) == Events{"!"});
  // Text that is not kept does not count, but a line has a limit, too.
  CHECK(events(":4567\n:4567\n:4567\nfoo\ndata:\n\n", 5) == Events{"message||"});
  CHECK(events(":45678\n", 5) == Events{"!"});

  SseParser parser(100'000);
  const std::string id = "id: " + std::string(8193, 'x') + "\n";
  parser.feed(id);
  const auto error = parser.next();
  REQUIRE_FALSE(error);
  CHECK(std::string(error.error().what()).find("id of an event") != std::string::npos);
  parser.feed("data: a\n\n");
  CHECK_FALSE(parser.next());
}

TEST_CASE("megabytes of anything take linear time") {
  for (const auto* piece : {"\n", ":\n", "data\n", "event:x\n", "data:x\n\n", "x"}) {
    std::string text = "id: " + std::string(8000, 'i') + "\n";
    while (text.size() < 1'000'000) text += piece;
    SseParser parser(2'000'000);
    parser.feed(text);
    while (*parser.next()) {
    }
    CHECK_FALSE(*parser.next());
  }
}

// Every allocation of the values, of the decisions and of the pool's state fails once. Then
// std::bad_alloc is thrown, nothing leaks (LeakSanitizer sees it), and what was being changed is as
// it was before.

#include <cstdlib>
#include <doctest/doctest.h>
#include <new>
#include <sstream>
#include <string>
#include <vector>

#include <ferry/cookies.hpp>
#include <ferry/detail/h1/encoder.hpp>
#include <ferry/detail/h1/parser.hpp>
#include <ferry/event.hpp>
#include <ferry/options.hpp>
#include <ferry/request.hpp>

#include "support/fail_each.hpp"
#include "support/pool_decisions.hpp"

namespace {

using test::fail_each_allocation;
using test::FailingNew;

const std::string long_text(100, 'x');  // Longer than what a string holds without allocating.
const std::string long_url = "http://USER:secret@example.COM/a/../b c/" + long_text + "?q=\"1\"#f";

std::string text_of(const ferry::Headers& headers) {
  std::string text;
  for (const auto [name, value] : headers) text.append(name).append("=").append(value).append(";");
  return text;
}

}  // namespace

TEST_CASE("no memory for a URL") {
  CHECK(fail_each_allocation([] { (void)ferry::Url::parse(long_url).value(); }) > 0);
  CHECK(fail_each_allocation([] { (void)ferry::Url::parse("http://a\\\\b/" + long_text); }) > 0);
  const auto base = ferry::Url::parse("http://test/" + long_text).value();
  CHECK(fail_each_allocation([&] { (void)base.resolve("../x?" + long_text).value(); }) > 0);

  auto url = base;
  CHECK(fail_each_allocation([&] { url.add_query("name", long_text); },
                             [&] { CHECK(url == base); }) > 0);
}

TEST_CASE("no memory for header fields: they stay as they were") {
  ferry::Headers headers;
  headers.add("A", "1").add("Long", long_text).add("a", "2");
  const auto before = text_of(headers);
  const auto unchanged = [&] { CHECK(text_of(headers) == before); };
  ferry::Headers changed = headers;
  CHECK(fail_each_allocation([&] { (void)ferry::Headers(headers); }) > 0);
  CHECK(fail_each_allocation([&] { headers.add(long_text, long_text); }, unchanged) > 0);
  headers = changed;
  CHECK(fail_each_allocation([&] { headers.set("a", long_text + long_text); }, unchanged) > 0);
  CHECK(headers.get_all("A").size() == 1);
  CHECK(fail_each_allocation([&] { (void)headers.get_all("A"); }) > 0);
}

TEST_CASE("no memory for an error, a request, options") {
  const ferry::Error error(ferry::Errc::connection_lost, long_text);
  CHECK(fail_each_allocation([] {
          const ferry::Error made(ferry::Errc::connect_failed, std::string(long_text),
                                  std::make_error_code(std::errc::timed_out));
          (void)made.at(ferry::Phase::connect, std::string(long_text), 2, true, 5);
        }) > 5);
  CHECK(fail_each_allocation([&] {
          const ferry::Error copy = error;
          (void)copy;
        }) == 0);  // Errors are copied when they are thrown.

  auto request = ferry::Request::get(long_url);
  CHECK(fail_each_allocation([&] { request.header("Name", long_text).query("q", long_text); }) > 0);
  CHECK(fail_each_allocation([&] { request.body(ferry::json(long_text)); }) > 0);
  CHECK(fail_each_allocation([&] { (void)request.target(ferry::Url()); }) > 0);
  ferry::ClientOptions options;
  options.base_url = long_text;
  options.headers.add("Name", long_text);
  CHECK(fail_each_allocation([&] { (void)ferry::ClientOptions(options); }) > 1);
}

TEST_CASE("no memory to print an event") {
  // An observer must not break a request, whatever it throws.
  ferry::Event event{ferry::Event::Kind::connection_opening};
  event.origin = "http://test";
  const ferry::Observer observer = [](const ferry::Event& e) {
    (void)std::string(long_text + std::string(e.origin));
  };
  const FailingNew failing(1);
  ferry::detail::observe(observer, event);
  CHECK(FailingNew::happened());
}

TEST_CASE("no memory to write a request's head") {
  const auto url = ferry::Url::parse("http://test/" + long_text).value();
  ferry::Headers headers;
  headers.add("Name", long_text);
  const ferry::Headers none;
  CHECK(fail_each_allocation([&] {
          ferry::detail::ByteBuffer out;
          ferry::detail::encode_head({ferry::Method::get(), url, headers, none, long_text}, out);
        }) > 1);
}

TEST_CASE("no memory to parse a response") {
  using namespace ferry::detail;
  const std::string bytes = "HTTP/1.1 103 Early Hints\r\nLink: " + long_text +
                            "\r\n\r\nHTTP/1.1 200 A reason that is not all that "
                            "short\r\nTransfer-Encoding: chunked\r\nA: " +
                            long_text + "\r\n\r\n40\r\n" + std::string(64, 'b') +
                            "\r\n0\r\nTrailer: " + long_text + "\r\n\r\n";
  for (const std::size_t split : {std::size_t(1), std::size_t(50), bytes.size()}) {
    CHECK(fail_each_allocation([&] {
            ResponseMessage message;
            H1Parser parser(message, false, {64 * 1024, 128, 1 << 20});
            auto step = ParseStep::need_more;
            for (std::size_t at = 0; at < bytes.size();) {
              const auto [used, next] = parser.feed(std::string_view(bytes).substr(at, split));
              at += used;
              step = next;
            }
            if (step != ParseStep::message_done) std::abort();
          }) > 3);
  }
}

TEST_CASE("[27] 20,000 chunks of one byte: memory is taken as for one of 20,000 bytes") {
  std::string bytes = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 20'000; ++i) bytes += "1\r\na\r\n";
  bytes += "0\r\n\r\n";
  ferry::detail::ResponseMessage message;
  ferry::detail::H1Parser parser(message, false, {64 * 1024, 128, 1 << 20});
  const FailingNew failing(100);
  auto [used, step] = parser.feed(bytes);
  REQUIRE(step == ferry::detail::ParseStep::head_done);
  step = parser.feed(std::string_view(bytes).substr(used)).second;
  CHECK(step == ferry::detail::ParseStep::message_done);
  CHECK(message.body.size() == 20'000);
}

TEST_CASE("no memory for a place in the queue: the pool is as it was, and goes on") {
  // Only a waiter that comes may fail. All other events are noexcept: had they to allocate, the
  // program would end here.
  ferry::Limits limits;
  limits.max_connections = 3;
  const auto trials = test::fail_each_step(1, 100, [&](int n) {
    int failures = 0;
    test::Pool pool(limits);
    test::Pool::Time now{};
    std::vector<std::unique_ptr<test::Pool::Ticket>> waiting;
    std::vector<test::Pool::Slot*> dials;
    std::vector<test::Pool::Slot*> held;
    const auto perform = [&](test::PoolDecisions& out) {
      const test::SparedFromFailing spared;
      for (const auto& [slot, waiter] : out.dials) dials.push_back(slot);
      for (const int waiter : out.grants) {
        const auto at = std::find_if(waiting.begin(), waiting.end(),
                                     [&](const auto& t) { return t->waiter == waiter; });
        test::PoolDecisions none;
        held.push_back(pool.leave(**at, none));
        waiting.erase(at);
      }
    };
    const FailingNew failing(n);
    for (int step = 0; step < 60; ++step) {
      test::PoolDecisions out;
      if (step % 3 < 2) {
        const auto before = pool.counts();
        std::unique_ptr<test::Pool::Ticket> ticket;
        std::string key;
        {
          const test::SparedFromFailing spared;
          ticket = std::make_unique<test::Pool::Ticket>(step);
          key = "http://a-rather-long-name.example:" + std::to_string(step % 5);
        }
        try {
          pool.enqueue(*ticket, key, now, out);
          const test::SparedFromFailing spared;
          waiting.push_back(std::move(ticket));
        } catch (const std::bad_alloc&) {
          ++failures;
          const auto after = pool.counts();
          CHECK(after.waiting == before.waiting);
          CHECK(after.active + after.idle + after.dialling ==
                before.active + before.idle + before.dialling);
        }
      } else if (!dials.empty()) {
        test::Pool::Slot* slot = dials.front();
        dials.erase(dials.begin());
        if (step % 2 == 0)
          pool.dialled(*slot, step, now, test::Pool::Time::max(), 1, out);
        else
          pool.dial_failed(*slot, out);
      }
      perform(out);
      if (step % 4 == 3 && !held.empty()) {
        test::PoolDecisions given;
        pool.release(*held.back(), now, test::Pool::Time::max(), now, given);
        held.pop_back();
        perform(given);
      }
      std::erase_if(waiting, [](const auto& t) { return t->host == nullptr && !t->granted; });
    }
    test::PoolDecisions out;
    pool.close(true, out);
    for (test::Pool::Slot* slot : held) pool.discard(*slot, ferry::CloseReason::failed, out);
    for (test::Pool::Slot* slot : dials) pool.dial_failed(*slot, out);
    CHECK(pool.quiet());
    CHECK(pool.counts().idle == 0);
    return failures == 0;
  });
  CHECK(trials >= 10);
}

TEST_CASE("a jar keeps nothing of the hosts whose cookies had to go") {
  ferry::CookieJarOptions options;
  options.max_cookies = 3;
  ferry::CookieJar jar(options);
  long before = 0;
  for (int i = 0; i < 200; ++i) {
    if (i == 100) before = test::heap.alive;
    jar.set(ferry::Cookie("name", "value", "host-" + std::to_string(i) + ".with.a.long.name"));
  }
  CHECK(test::heap.alive == before);
}

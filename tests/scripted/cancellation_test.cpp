// A call that is cancelled, wherever it is, ends with one error and one event, and sends nothing
// more. Coroutines of the user's that it waits for are told to end, as they are by its limits.

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>

#include <ferry/authenticator.hpp>
#include <ferry/lines.hpp>
#include <ferry/sse.hpp>

#include "support/folder.hpp"
#include "support/forwarding_stream.hpp"
#include "support/scripted.hpp"

using namespace std::chrono_literals;
using ferry::Client;
using ferry::ClientOptions;
using ferry::Errc;
using ferry::Event;
using ferry::Request;
using ferry::RequestOptions;
using ferry::ResponseStream;
using ferry::testing::Script;
using ferry::testing::ScriptedConnector;
using test::ok;
using test::script;

namespace {

/// Cancels a coroutine at one of the steps that it is told of.
struct Canceller {
  void step() {
    if (++steps != at) return;
    written_before = written();
    signal.emit(asio::cancellation_type::terminal);
  }
  std::size_t written() const {
    std::size_t size = 0;
    for (const auto& one : scripts) size += one->written.size();
    return size;
  }
  bool has_acted() const { return steps >= at; }

  int at = 0;
  int steps = 0;
  std::size_t written_before = 0;
  std::vector<std::shared_ptr<Script>> scripts;
  asio::cancellation_signal signal;
};

/// A stream each operation of which is a step.
class SteppingStream final : public test::ForwardingStream {
 public:
  SteppingStream(std::unique_ptr<Stream> stream, Canceller& canceller)
      : ForwardingStream(std::move(stream)), canceller_(canceller) {}
  std::size_t try_read_some(asio::mutable_buffer buffer, std::error_code& error) noexcept override {
    canceller_.step();
    return ForwardingStream::try_read_some(buffer, error);
  }

 private:
  Canceller& canceller_;
};

/// Fetches a token in a turn of the event loop of its own.
class Token final : public ferry::Authenticator {
 public:
  asio::awaitable<std::string> authorize(ferry::AuthContext context) override {
    const auto executor = co_await asio::this_coro::executor;
    co_await asio::post(executor, asio::use_awaitable);
    co_return context.challenges > 0 ? "Bearer 2" : "Bearer 1";
  }
  bool challenged(const ferry::AuthContext& context) override { return context.challenges == 1; }
};

/// A use of a client that waits at several places. @return what it came to.
using Flow = std::function<asio::awaitable<std::error_code>(const Client&)>;

struct Scenario {
  const char* name;
  std::deque<std::string> responses;
  Flow flow;
};

Flow sending(std::function<Request()> request) {
  return [request](const Client& client) -> asio::awaitable<std::error_code> {
    auto call = client.try_send(request());
    const auto result = co_await std::move(call);
    co_return test::code_of(result);
  };
}

/// Ends a flow where Asio would throw at the flow's own next `co_await`.
void throw_if_cancelled(const asio::cancellation_state& state) {
  if (state.cancelled() != asio::cancellation_type::none) throw ferry::Error(Errc::cancelled);
}

/// A stream that is read by one function.
/// @param read awaits all of the stream's body; what it throws is the outcome.
Flow streaming(std::function<asio::awaitable<void>(ResponseStream)> read) {
  return [read](const Client& client) -> asio::awaitable<std::error_code> {
    std::error_code code;
    try {
      auto call = client.stream(Request::get("http://test/"));
      ResponseStream stream = co_await std::move(call);
      const auto state = co_await asio::this_coro::cancellation_state;
      throw_if_cancelled(state);
      auto reading = read(std::move(stream));
      co_await std::move(reading);
    } catch (const ferry::Error& error) {
      code = error.code();
    }
    co_return code;
  };
}

std::vector<Scenario> scenarios(const test::Folder& folder) {
  const std::string chunks =
      "Transfer-Encoding: chunked\r\n\r\n7\r\ndata: a\r\n9\r\nb\n\ndata: "
      "\r\n3\r\nc\n\n\r\n0\r\n\r\n";
  const std::string text = "HTTP/1.1 200 OK\r\n" + chunks;
  const std::string events = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n" + chunks;
  const std::string found =
      "HTTP/1.1 302 Found\r\nLocation: /there\r\nContent-Length: 6\r\n\r\nfound!";
  const std::string busy = "HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy";
  const std::string who = "HTTP/1.1 401 Who\r\nContent-Length: 4\r\n\r\nwho?";
  const auto get = [] { return Request::get("http://test/"); };
  const auto awaited_source = [] {
    return ferry::pull([left = 3](std::span<char> room) mutable -> asio::awaitable<std::size_t> {
      const auto executor = co_await asio::this_coro::executor;
      co_await asio::post(executor, asio::use_awaitable);
      room[0] = 'x';
      co_return left-- > 0 ? 1 : 0;
    });
  };
  return {
      {"a response", {ok("hello")}, sending(get)},
      {"a redirect", {found, ok("there")}, sending(get)},
      {"a retry", {busy, ok("at last")}, sending(get)},
      {"a challenge", {who, ok("you")}, sending([get] {
         return get().auth(std::make_shared<Token>());
       })},
      {"an upload", {ok("got it")}, sending([=] {
         return Request::post("http://test/", awaited_source());
       })},
      {"an upload after leave", {"HTTP/1.1 100 Continue\r\n\r\n" + ok("got it")}, sending([] {
         return Request::post("http://test/", ferry::Body("hello"))
             .header("Expect", "100-continue");
       })},
      {"a stream, whole", {text}, streaming([](ResponseStream stream) -> asio::awaitable<void> {
         co_await stream.read_all();
       })},
      {"a stream, into a file",
       {text},
       streaming([&folder](ResponseStream stream) -> asio::awaitable<void> {
         co_await stream.read_to(folder / "file");
       })},
      {"lines", {text}, streaming([](ResponseStream stream) -> asio::awaitable<void> {
         ferry::Lines lines(std::move(stream));
         for (bool more = true; more;) {
           const auto state = co_await asio::this_coro::cancellation_state;
           throw_if_cancelled(state);
           const auto line = co_await lines.next();
           more = line.has_value();
         }
       })},
      {"server-sent events",
       {events},
       streaming([](ResponseStream stream) -> asio::awaitable<void> {
         ferry::ServerEvents all(std::move(stream));
         for (bool more = true; more;) {
           const auto state = co_await asio::this_coro::cancellation_state;
           throw_if_cancelled(state);
           const auto event = co_await all.next();
           more = event.has_value();
         }
       })},
  };
}

struct Run {
  bool over = false;
  bool acted = false;
  bool raw = false;  ///< Something that is no `ferry::Error` came out.
  std::error_code code;
  int begun = 0;     ///< Calls of which a request was sent, or a connection sought.
  int failures = 0;  ///< Events that say so.
  std::size_t sent_after = 0;
};

/// Runs it, and cancels it at this step.
Run run(const Scenario& scenario, int at, bool throws, bool in_events) {
  asio::io_context context{1};
  Canceller canceller;
  canceller.at = at;
  canceller.scripts = {script(scenario.responses), script(scenario.responses)};
  for (const auto& one : canceller.scripts) one->read_size = 5;
  ClientOptions options;
  options.retries.max = 1;
  options.retries.first_delay = 1ms;
  options.timeouts.expect_continue = std::chrono::hours(1);
  Run run;
  options.observer = [&](const Event& event) {
    if (event.kind == Event::Kind::request_failed) ++run.failures;
    if (event.kind == Event::Kind::connection_opening) ++run.begun;
    if (in_events) canceller.step();
  };
  options.connector = std::make_shared<test::WrappingConnector>(
      std::make_shared<ScriptedConnector>(
          [&](int number) -> ferry::Result<std::shared_ptr<Script>> {
            if (number > 2) return ferry::Error(Errc::connection_refused);
            return canceller.scripts[static_cast<std::size_t>(number) - 1];
          }),
      [&](auto stream) { return std::make_unique<SteppingStream>(std::move(stream), canceller); });
  const Client client(context, options);
  const auto body = [&]() -> asio::awaitable<void> {
    co_await asio::this_coro::throw_if_cancelled(throws);
    auto flow = scenario.flow(client);
    run.code = co_await std::move(flow);
  };
  asio::co_spawn(context, body(),
                 asio::bind_cancellation_slot(canceller.signal.slot(), [&](std::exception_ptr e) {
                   run.over = true;
                   run.raw = e != nullptr;
                 }));
  while (!run.over && context.run_one() > 0)
    if (!run.over) canceller.step();
  run.acted = canceller.has_acted();
  context.run();
  if (run.acted) run.sent_after = canceller.written() - canceller.written_before;
  CHECK(client.pool().stats().active == 0);
  CHECK(client.pool().stats().waiting == 0);
  return run;
}

}  // namespace

TEST_CASE(
    "[72] a call that is cancelled at any step ends with one error and one event, and sends no "
    "more") {
  const test::Folder folder;
  for (const Scenario& scenario : scenarios(folder)) {
    for (const bool throws : {true, false}) {
      for (const bool in_events : {false, true}) {
        bool acted = true;
        for (int at = 1; acted; ++at) {
          CAPTURE(std::string(scenario.name));
          CAPTURE(throws);
          CAPTURE(in_events);
          CAPTURE(at);
          REQUIRE(at < 1000);
          const Run one = run(scenario, at, throws, in_events);
          acted = one.acted;
          REQUIRE(one.over);
          // Asio's own error comes out only where the call had not begun.
          CHECK((!one.raw || one.begun == 0));
          if (one.code) CHECK(one.code == Errc::cancelled);
          if (one.code && one.begun > 0) CHECK(one.failures == 1);
          if (!one.code && !one.raw) CHECK(one.failures == 0);
          // A call that an event's own handler cancels may send in that very step.
          if (one.code && !in_events) CHECK(one.sent_after == 0);
        }
      }
    }
  }
}

TEST_CASE("[72] a body waits for leave no longer once its call is cancelled, and is never sent") {
  const auto one = script({});
  test::Scripted s(one);
  asio::cancellation_signal signal;
  std::error_code code;
  const auto body = [&]() -> asio::awaitable<void> {
    co_await asio::this_coro::throw_if_cancelled(false);
    auto request =
        Request::post("http://test/", ferry::Body("the body")).header("Expect", "100-continue");
    auto call = s.client->try_send(std::move(request));
    const auto result = co_await std::move(call);
    code = test::code_of(result);
  };
  asio::co_spawn(s.context, body(), asio::bind_cancellation_slot(signal.slot(), asio::detached));
  while (one->written.empty()) s.context.run_one();
  signal.emit(asio::cancellation_type::terminal);
  s.context.run();
  CHECK(code == Errc::cancelled);
  CHECK(one->written.find("the body") == std::string::npos);
}

namespace {

/// Waits until it is told to end, or much longer than any test; and notes what became of it.
struct Patience {
  asio::awaitable<void> wait() {
    const auto executor = co_await asio::this_coro::executor;
    asio::steady_timer timer(executor, std::chrono::hours(1));
    std::error_code error;
    ++begun;
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, error));
    if (ignores) {
      co_await asio::this_coro::reset_cancellation_state();
      for (int i = 0; i < 10; ++i) co_await asio::post(executor, asio::use_awaitable);
    }
    was_told = error == asio::error::operation_aborted;
    has_ended = true;
    if (!ignores) throw std::system_error(error);
  }
  bool ignores = false;  ///< It goes on for a while after it was told to end.
  int begun = 0;
  bool was_told = false;
  bool has_ended = false;
};

class PatientAuthenticator final : public ferry::Authenticator {
 public:
  explicit PatientAuthenticator(Patience& patience) : patience_(patience) {}
  asio::awaitable<std::string> authorize(ferry::AuthContext) override {
    co_await patience_.wait();
    co_return "Bearer late";
  }

 private:
  Patience& patience_;
};

ferry::Body patient_body(Patience& patience) {
  return ferry::pull([&patience](std::span<char> room) -> asio::awaitable<std::size_t> {
    co_await patience.wait();
    room[0] = 'x';
    co_return 1;
  });
}

}  // namespace

TEST_CASE(
    "[57] [72] limits, the client's end and a cancellation end what a call waits for of the "
    "user's") {
  enum class End { limit, close, cancel };
  for (const bool is_source : {false, true}) {
    for (const bool ignores : {false, true}) {
      for (const auto& [end, expected] : {std::pair{End::limit, Errc::total_timeout},
                                          {End::close, Errc::client_closed},
                                          {End::cancel, Errc::cancelled}}) {
        CAPTURE(is_source);
        CAPTURE(ignores);
        CAPTURE(make_error_code(expected).message());
        Patience patience;
        patience.ignores = ignores;
        int failures = 0;
        ClientOptions options;
        options.observer = [&](const Event& event) {
          if (event.kind == Event::Kind::request_failed) ++failures;
        };
        const auto one = script({});
        test::Scripted s(one, options);
        Request request =
            Request::post("http://test/", is_source ? patient_body(patience) : ferry::Body("x"));
        if (!is_source) request.auth(std::make_shared<PatientAuthenticator>(patience));
        RequestOptions limits;
        if (end == End::limit) limits.timeout = 100ms;  // Enough to begin in.
        asio::cancellation_signal signal;
        ferry::Result<ferry::Response> result;
        bool ended_before = false;
        asio::co_spawn(
            s.context, s.client->try_send(std::move(request), limits),
            asio::bind_cancellation_slot(
                signal.slot(), [&](std::exception_ptr e, ferry::Result<ferry::Response> r) {
                  CHECK_FALSE(e);
                  ended_before = patience.has_ended;
                  result = std::move(r);
                }));
        while (patience.begun == 0 && s.context.run_one() > 0) {
        }
        if (end == End::close) s.client->close();
        if (end == End::cancel) signal.emit(asio::cancellation_type::terminal);
        s.context.run();
        REQUIRE(test::code_of(result) == expected);
        CHECK(result.error().phase() ==
              (is_source ? ferry::Phase::body_source : ferry::Phase::authorize));
        CHECK(patience.was_told);
        CHECK(ended_before);  // It may use what the call owns.
        CHECK(failures == 1);
        CHECK(one->written.empty());
        CHECK(s.client->pool().stats().active == 0);
      }
    }
  }
}

TEST_CASE("[57] a proxy's credentials have to come within the limit of connecting") {
  struct NoTls final : ferry::TlsContext {
    asio::awaitable<ferry::Result<std::unique_ptr<ferry::Stream>>> handshake(
        std::unique_ptr<ferry::Stream> stream, ferry::DialContext&) const override {
      co_return ferry::Result<std::unique_ptr<ferry::Stream>>(std::move(stream));
    }
  };
  Patience patience;
  ClientOptions options;
  options.proxy = ferry::ProxyOptions("http://proxy:3128");
  options.proxy.auth = std::make_shared<PatientAuthenticator>(patience);
  options.tls = std::make_shared<NoTls>();
  options.timeouts.connect = 1ms;
  const auto one = script({});
  test::Scripted s(one, options);
  const auto result = s.send(Request::get("https://test/"));
  CHECK(test::code_of(result) == Errc::proxy_timeout);
  CHECK(patience.was_told);
  CHECK(one->written.empty());
}

TEST_CASE("[72] a call that was cancelled before does not wait for a user's coroutine") {
  Patience patience;
  const auto one = script({});
  test::Scripted s(one);
  asio::cancellation_signal signal;
  std::error_code code;
  const auto body = [&]() -> asio::awaitable<void> {
    co_await asio::this_coro::throw_if_cancelled(false);
    signal.emit(asio::cancellation_type::terminal);
    auto request =
        Request::get("http://test/").auth(std::make_shared<PatientAuthenticator>(patience));
    auto call = s.client->try_send(std::move(request));
    const auto result = co_await std::move(call);
    code = test::code_of(result);
  };
  asio::co_spawn(s.context, body(), asio::bind_cancellation_slot(signal.slot(), asio::detached));
  s.context.run();
  CHECK(code == Errc::cancelled);
  CHECK((patience.begun == 0 || patience.was_told));
  CHECK(one->written.empty());
}

TEST_CASE("a stream that fails because another request was cancelled is a lost connection") {
  const auto kept = script({ok("one")});
  test::Scripted s({kept, script({ok("two")})});
  REQUIRE(s.get());
  for (const auto& one : s.scripts) one->failure = make_error_code(Errc::cancelled);

  // A kept connection is replaced.
  kept->fail_at = kept->operations + 1;
  const auto replaced = s.get();
  REQUIRE(replaced);
  CHECK(replaced->body() == "two");
  CHECK(s.connections() == 2);

  // On a new connection, in writing and in reading, it is the cause of the failure.
  for (const int fail_at : {1, 2}) {
    test::Scripted fresh(script({ok("one")}));
    fresh.scripts[0]->failure = make_error_code(Errc::cancelled);
    fresh.scripts[0]->fail_at = fail_at;
    const auto lost = fresh.get();
    CHECK(test::code_of(lost) == Errc::connection_lost);
    REQUIRE_FALSE(lost);
    CHECK(lost.error().cause() == Errc::cancelled);
  }
}

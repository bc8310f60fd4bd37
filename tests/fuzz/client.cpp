// A whole client over an in-memory stream that brings any bytes, in any pieces, with a failure or a
// cancellation anywhere: the request completes once, the pool's books are right, and what the next
// request gets is its own answer. What a stream hands out is what a collected body holds.

#include <optional>
#include <span>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>

#include <ferry/ferry.hpp>
#include <ferry/testing/scripted_stream.hpp>

#include "fuzz/support.hpp"

namespace {

using ferry::testing::Script;
using Answer = ferry::Result<std::string>;

/// The use that is made of a response.
enum class Reading { whole, streamed, dropped };

/// The choices of the input, apart from the bytes.
struct Plan {
  explicit Plan(FuzzedDataProvider& input) {
    method = input.ConsumeIntegralInRange(0, 3);
    pieces = input.ConsumeIntegralInRange(0, 3);
    small_limits = input.ConsumeBool();
    splits[0] = input.ConsumeIntegralInRange<std::size_t>(1, 20);
    splits[1] = input.ConsumeIntegralInRange<std::size_t>(1, 20);
    end = static_cast<Script::End>(input.ConsumeIntegralInRange(0, 1));
    writes_block = input.ConsumeBool();
    fail_at = input.ConsumeBool() ? input.ConsumeIntegralInRange(0, 30) : 0;
    cancel_after = input.ConsumeBool() ? input.ConsumeIntegralInRange(0, 60) : -1;
    bytes = input.ConsumeRemainingBytesAsString();
  }

  ferry::Request request() const {
    if (method == 0) return ferry::Request::get("http://test/");
    if (method == 1) return ferry::Request::head("http://test/");
    if (method == 2) return ferry::Request::post("http://test/", ferry::Body("some content"));
    const auto give = [left = 3](std::span<char> room) mutable {
      if (left == 0) return std::size_t{0};
      room[0] = static_cast<char>('0' + left--);
      return std::size_t{1};
    };
    return ferry::Request::put("http://test/", ferry::pull(give));
  }

  int method;
  int pieces;  // Number of pieces that are read before a stream is dropped.
  bool small_limits;
  std::size_t splits[2];
  Script::End end;
  bool writes_block;
  int fail_at;
  int cancel_after;
  std::string bytes;
};

const std::string clean = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nclean";

template <class Response>
std::string text_of(const Response& response, const std::string& body) {
  std::string text = std::to_string(response.status()) + response.reason() + "|";
  for (const auto [name, value] : response.headers())
    text.append(name).append("=").append(value).append(";");
  text += "|" + body + "|";
  for (const auto [name, value] : response.trailers())
    text.append(name).append("=").append(value).append(";");
  return text;
}
std::string text_of(const Answer& answer) {
  return answer ? *answer : "error: " + answer.error().code().message();
}

asio::awaitable<Answer> exchange(ferry::Client client, ferry::Request request, Reading reading,
                                 int pieces, ferry::RequestOptions options) {
  if (reading == Reading::whole) {
    const auto result = co_await client.try_send(std::move(request));
    if (!result) co_return Answer(result.error());
    co_return Answer(text_of(*result, result->body()));
  }
  std::optional<ferry::Error> failure;
  try {
    ferry::ResponseStream stream = co_await client.stream(std::move(request), options);
    std::string body;
    while (reading == Reading::streamed || pieces-- > 0) {
      const auto piece = co_await stream.read();
      if (!piece) break;
      body += *piece;
    }
    co_return Answer(text_of(stream, body));
  } catch (const ferry::Error& error) {
    failure = error;
  }
  co_return Answer(std::move(*failure));
}

/// Sends the plan's request, then a GET that is answered cleanly. @return what the first came to.
Answer run(const Plan& plan, std::size_t read_size, bool disturbed,
           Reading reading = Reading::whole) {
  auto dirty = std::make_shared<Script>();
  dirty->responses = std::deque<std::string>{plan.bytes};
  dirty->end = plan.end;
  dirty->read_size = read_size;
  dirty->writes_block = plan.writes_block;
  if (disturbed) dirty->fail_at = plan.fail_at;
  const auto connector = std::make_shared<ferry::testing::ScriptedConnector>([&](int number) {
    if (number == 1) return dirty;
    auto other = std::make_shared<Script>();
    other->responses = std::deque<std::string>{clean};
    other->end = Script::End::silence;
    return other;
  });
  ferry::ClientOptions options;
  options.connector = connector;
  options.retry_stale = false;
  ferry::RequestOptions call;
  if (plan.small_limits) {
    call.max_body_size = 100;
    options.limits.max_head_size = 200;
    options.limits.max_fields = 5;
    options.limits.max_body_size = 100;
  }
  asio::io_context context{1};
  ferry::Client client(context, options);

  const auto send = [&](ferry::Request request, Reading how, int cancel_after) {
    std::optional<Answer> answer;
    int completions = 0;
    asio::cancellation_signal signal;
    const auto done = [&](std::exception_ptr thrown, Answer result) {
      ++completions;
      if (thrown) result = ferry::Error(ferry::Errc::cancelled);
      answer.emplace(std::move(result));
    };
    context.restart();
    asio::co_spawn(context, exchange(client, std::move(request), how, plan.pieces, call),
                   asio::bind_cancellation_slot(signal.slot(), done));
    for (int i = 0; i < cancel_after; ++i) context.poll_one();
    if (cancel_after >= 0) signal.emit(asio::cancellation_type::terminal);
    context.restart();
    context.run();
    fuzz::require(completions == 1, "a request completes once");
    const auto stats = client.pool().stats();
    fuzz::require(stats.active == 0 && stats.waiting == 0 && stats.connecting == 0,
                  "nothing is left in use");
    fuzz::require(stats.opened - stats.closed == stats.idle, "what was opened is idle or closed");
    return std::move(*answer);
  };

  const auto first = send(plan.request(), reading, disturbed ? plan.cancel_after : -1);
  const bool kept = client.pool().stats().idle == 1;
  // Only a body that was refused for its size, and had a short rest, leaves its connection clean.
  fuzz::require(!kept || first || first.error().code() == ferry::Errc::body_too_large ||
                    connector->connections() == 0 || dirty->written.empty(),
                "a failed exchange poisons its connection", text_of(first));
  dirty->fail_at = 0;
  dirty->end = Script::End::silence;
  dirty->responses = std::deque<std::string>{clean};  // Nothing else was asked for.
  const auto second = send(ferry::Request::get("http://test/"), Reading::whole, -1);
  fuzz::require(second && second->ends_with("|clean|"), "the next request gets its own answer",
                text_of(second));
  return first;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzedDataProvider input(data, size);
  const Plan plan(input);
  const auto whole = run(plan, static_cast<std::size_t>(-1), false);
  for (const auto split : plan.splits) {
    const auto pieces = run(plan, split, false);
    fuzz::require(text_of(pieces) == text_of(whole), "any pieces give what all at once gives",
                  text_of(pieces), text_of(whole));
    const auto streamed = run(plan, split, false, Reading::streamed);
    fuzz::require(whole ? text_of(streamed) == text_of(whole) : !streamed,
                  "a stream hands out what a collected body holds", text_of(streamed),
                  text_of(whole));
    (void)run(plan, split, false, Reading::dropped);
  }
  if (plan.fail_at == 0 && plan.cancel_after < 0) return 0;
  for (const auto reading : {Reading::whole, Reading::streamed, Reading::dropped})
    (void)run(plan, plan.splits[0], true, reading);
  return 0;
}

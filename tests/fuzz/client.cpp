// A whole client over an in-memory stream that brings any bytes, in any pieces, with a failure or a
// cancellation anywhere: the request completes once, the pool's books are right, and what the next
// request gets is its own answer.

#include <optional>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>

#include <ferry/ferry.hpp>
#include <ferry/testing/scripted_stream.hpp>

#include "fuzz/support.hpp"

namespace {

using ferry::testing::Script;
using Answer = ferry::Result<ferry::Response>;

/// What the input chooses beside the bytes.
struct Plan {
  explicit Plan(FuzzedDataProvider& input) {
    method = input.ConsumeIntegralInRange(0, 2);
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
    return ferry::Request::post("http://test/", ferry::Body("some content"));
  }

  int method;
  bool small_limits;
  std::size_t splits[2];
  Script::End end;
  bool writes_block;
  int fail_at;
  int cancel_after;
  std::string bytes;
};

const std::string clean = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nclean";

std::string text_of(const Answer& answer) {
  if (!answer) return "error: " + answer.error().code().message();
  std::string text = std::to_string(answer->status()) + answer->reason() + "|";
  for (const auto [name, value] : answer->headers())
    text.append(name).append("=").append(value).append(";");
  return text + "|" + answer->body();
}

/// Sends the plan's request, then a GET that is answered cleanly. @return what the first came to.
std::string run(const Plan& plan, std::size_t read_size, bool disturbed) {
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
  if (plan.small_limits) {
    options.limits.max_head_size = 200;
    options.limits.max_fields = 5;
    options.limits.max_body_size = 100;
  }
  asio::io_context context{1};
  ferry::Client client(context, options);

  const auto send = [&](ferry::Request request, int cancel_after) {
    std::optional<Answer> answer;
    int completions = 0;
    asio::cancellation_signal signal;
    const auto done = [&](std::exception_ptr thrown, Answer result) {
      ++completions;
      if (thrown) result = ferry::Error(ferry::Errc::cancelled);
      answer.emplace(std::move(result));
    };
    context.restart();
    asio::co_spawn(context, client.try_send(std::move(request)),
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

  const auto first = send(plan.request(), disturbed ? plan.cancel_after : -1);
  const bool kept = client.pool().stats().idle == 1;
  // Only a body that was refused for its size, and had a short rest, leaves its connection clean.
  fuzz::require(!kept || first || first.error().code() == ferry::Errc::body_too_large ||
                    connector->connections() == 0 || dirty->written.empty(),
                "a failed exchange poisons its connection", text_of(first));
  dirty->fail_at = 0;
  dirty->end = Script::End::silence;
  dirty->responses = std::deque<std::string>{clean};  // What was not asked for is not answered.
  const auto second = send(ferry::Request::get("http://test/"), -1);
  fuzz::require(second && second->body() == "clean", "the next request gets its own answer",
                text_of(second));
  return text_of(first);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzedDataProvider input(data, size);
  const Plan plan(input);
  const auto whole = run(plan, static_cast<std::size_t>(-1), false);
  for (const auto split : plan.splits) {
    const auto pieces = run(plan, split, false);
    fuzz::require(pieces == whole, "any pieces give what all at once gives", pieces, whole);
  }
  if (plan.fail_at > 0 || plan.cancel_after >= 0) run(plan, plan.splits[0], true);
  return 0;
}

// Where data are always there, a call still lets others run, and still ends when it is told to.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>

#include <ferry/lines.hpp>
#include <ferry/sse.hpp>

#include "support/folder.hpp"
#include "support/make_decoder.hpp"
#include "support/scripted.hpp"

using namespace std::chrono_literals;
using ferry::Client;
using ferry::ClientOptions;
using ferry::Errc;
using ferry::Request;
using ferry::RequestOptions;
using ferry::ResponseStream;

namespace {

constexpr std::size_t mebibyte = 1024 * 1024;

/// The bytes of a stream on which every operation completes at once, and how many of them go over
/// it between two turns of the event loop.
struct Flow {
  std::string head;           ///< The head of the response, readable once something was written.
  std::string pattern = "x";  ///< The body repeats it without end.
  std::size_t answers_after = 1;    ///< Bytes that have to be written before the head is readable.
  bool awaited_at_once = false;     ///< Awaited operations do not suspend, either.
  std::size_t most_bytes = 0;       ///< In one turn, so far.
  std::size_t most_operations = 0;  ///< Likewise.
  std::size_t bytes = 0;            ///< In the present turn.
  std::size_t operations = 0;       ///< Likewise.
  std::size_t turns = 0;

  std::size_t count(std::size_t moved) {
    bytes += moved;
    ++operations;
    most_bytes = std::max(most_bytes, bytes);
    most_operations = std::max(most_operations, operations);
    return moved;
  }
  void begin_turn() {
    bytes = operations = 0;
    ++turns;
  }
};

class EndlessStream final : public ferry::Stream {
 public:
  explicit EndlessStream(Flow& flow) : flow_(flow) {}

  asio::awaitable<std::size_t> read_some(asio::mutable_buffer buffer,
                                         std::error_code& error) override {
    if (!flow_.awaited_at_once) co_await asio::post(asio::use_awaitable);
    co_return try_read_some(buffer, error);
  }
  asio::awaitable<std::size_t> write_some(std::span<const asio::const_buffer> buffers,
                                          std::error_code& error) override {
    if (!flow_.awaited_at_once) co_await asio::post(asio::use_awaitable);
    co_return try_write_some(buffers, error);
  }
  std::size_t try_read_some(asio::mutable_buffer buffer, std::error_code& error) noexcept override {
    error = open_ ? std::error_code() : asio::error::eof;
    if (!open_) return 0;
    if (written_ < flow_.answers_after) {
      error = asio::error::would_block;
      return 0;
    }
    std::size_t filled = 0;
    while (filled < buffer.size()) {
      const std::string& from = in_head_ ? flow_.head : flow_.pattern;
      const std::size_t part = std::min(buffer.size() - filled, from.size() - at_);
      std::memcpy(static_cast<char*>(buffer.data()) + filled, from.data() + at_, part);
      filled += part;
      at_ += part;
      if (at_ < from.size()) continue;
      at_ = 0;
      in_head_ = false;
    }
    return flow_.count(filled);
  }
  std::size_t try_write_some(std::span<const asio::const_buffer> buffers,
                             std::error_code& error) noexcept override {
    error = open_ ? std::error_code() : asio::error::eof;
    if (!open_) return 0;
    std::size_t size = 0;
    for (const auto& buffer : buffers) size += buffer.size();
    size = std::min(size, 256 * std::size_t{1024});  // A socket takes no more.
    written_ += size;
    return flow_.count(size);
  }
  ferry::IdleState check_idle() noexcept override { return ferry::IdleState::quiet; }
  void close() noexcept override { open_ = false; }
  void abort() noexcept override { open_ = false; }
  bool is_open() const noexcept override { return open_; }

 private:
  Flow& flow_;
  std::size_t at_ = 0;
  bool in_head_ = true;
  std::size_t written_ = 0;
  bool open_ = true;
};

class EndlessConnector final : public ferry::Connector {
 public:
  explicit EndlessConnector(Flow& flow) : flow_(flow) {}
  asio::awaitable<ferry::Result<std::unique_ptr<ferry::Stream>>> connect(
      ferry::DialContext&) override {
    using Connected = ferry::Result<std::unique_ptr<ferry::Stream>>;
    co_return Connected(std::make_unique<EndlessStream>(flow_));
  }

 private:
  Flow& flow_;
};

/// A coding of which each byte decodes to a kibibyte.
class Inflater final : public ferry::ContentDecoder {
 public:
  ferry::Result<Progress> decode(std::string_view in, std::span<char> out) override {
    Progress progress;
    progress.ended = true;
    while (progress.made < out.size() && (left_ > 0 || progress.used < in.size())) {
      if (left_ == 0) {
        left_ = 1024;
        ++progress.used;
      }
      const auto part = std::min(left_, out.size() - progress.made);
      std::memset(out.data() + progress.made, 'd', part);
      progress.made += part;
      left_ -= part;
    }
    made += progress.made;
    return progress;
  }
  static inline std::size_t made = 0;  ///< Number of bytes that all decoders have made.

 private:
  std::size_t left_ = 0;
};

using Use = std::function<asio::awaitable<void>(const Client&, RequestOptions)>;

asio::awaitable<void> read_pieces(ResponseStream stream, std::size_t size) {
  while (size > 0) {
    const auto piece = co_await stream.read();
    REQUIRE(piece);
    size -= std::min(size, piece->size());
  }
}

const std::string until_close = "HTTP/1.1 200 OK\r\n\r\n";
const std::string chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
const std::string a_chunk = "8000\r\n" + std::string(0x8000, 'x') + "\r\n";
const std::string forever = "HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775807\r\n\r\n";
const std::string empty = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
constexpr std::size_t endless = std::numeric_limits<std::size_t>::max();

/// A way of using a client on which data are always there.
struct Mode {
  const char* name;
  std::string head;
  std::string pattern;
  Use use;                        ///< Goes on until it is ended, or so much has passed.
  std::size_t answers_after = 1;  ///< The same as in `Flow`.
};

Use streamed(std::size_t size) {
  return [size](const Client& client, RequestOptions options) -> asio::awaitable<void> {
    ResponseStream stream = co_await client.stream("http://test/", options);
    co_await read_pieces(std::move(stream), size);
  };
}
asio::awaitable<void> collect(const Client& client, RequestOptions options) {
  options.max_body_size = 32 * mebibyte;
  auto call = client.get("http://test/", options);
  co_await std::move(call);
}
Use upload(std::function<ferry::Body()> body) {
  return [body](const Client& client, RequestOptions options) -> asio::awaitable<void> {
    auto call = client.post("http://test/", body(), options);
    co_await std::move(call);
  };
}

/// A function for `pull` that gives so much, without waiting.
auto giving(std::size_t size) {
  return [left = size](std::span<char> room) mutable -> std::size_t {
    const auto count = std::min(left, room.size());
    std::fill_n(room.begin(), count, 'x');
    left -= count;
    return count;
  };
}
auto giving_awaited(std::size_t size) {
  return [give = giving(size)](std::span<char> room) mutable -> asio::awaitable<std::size_t> {
    co_return give(room);
  };
}

std::vector<Mode> modes(std::size_t size) {
  return {
      {"a stream until the end", until_close, "x", streamed(size)},
      {"a stream of chunks", chunked, a_chunk, streamed(size)},
      {"a stream of small chunks", chunked, "1\r\nx\r\n", streamed(size / 64)},
      {"a stream of known length", forever, "x", streamed(size)},
      {"lines", until_close, std::string(63, 'l') + "\n",
       [size](const Client& client, RequestOptions options) -> asio::awaitable<void> {
         ResponseStream stream = co_await client.stream("http://test/", options);
         ferry::Lines lines(std::move(stream));
         for (std::size_t read = 0; read < size; read += 64) co_await lines.next();
       }},
      {"server-sent events", "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n",
       "data: " + std::string(56, 'e') + "\n\n",
       [size](const Client& client, RequestOptions options) -> asio::awaitable<void> {
         ResponseStream stream = co_await client.stream("http://test/", options);
         ferry::ServerEvents events(std::move(stream));
         for (std::size_t read = 0; read < size; read += 64) co_await events.next();
       }},
      {"into a file", until_close, "x",
       [](const Client& client, RequestOptions options) -> asio::awaitable<void> {
         options.max_body_size = 32 * mebibyte;
         const test::Folder folder;
         ResponseStream stream = co_await client.stream("http://test/", options);
         co_await stream.read_to(folder / "file");
       }},
      {"a body of known length", "HTTP/1.1 200 OK\r\nContent-Length: 33554432\r\n\r\n", "x",
       collect},
      {"a body until the end", until_close, "x", collect},
      {"a body of chunks", chunked, a_chunk, collect},
      {"an upload of bytes", empty, "",
       upload([size] { return ferry::Body(std::string(size, 'x')); }), size},
      {"an upload of a source", empty, "",
       upload([size] { return ferry::pull(giving(size), size); }), size},
      {"an upload of chunks", empty, "", upload([size] { return ferry::pull(giving(size)); }),
       size},
      {"an upload of a source that may wait", empty, "",
       upload([size] { return ferry::pull(giving_awaited(size)); }), size},
  };
}

/// Runs it beside a handler that posts itself again and again, which is called at each turn.
std::error_code run_beside(Flow& flow, const Mode& mode, ClientOptions options,
                           std::function<void(const Client&, asio::cancellation_signal&)> at_turn,
                           RequestOptions request = {}) {
  flow.head = mode.head;
  flow.answers_after = mode.answers_after;
  flow.pattern = mode.pattern.empty() ? " " : mode.pattern;
  asio::io_context context{1};
  options.connector = std::make_shared<EndlessConnector>(flow);
  const Client client(context, options);
  asio::cancellation_signal signal;
  bool ended = false;
  std::error_code code;
  asio::co_spawn(context, mode.use(client, request),
                 asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr thrown) {
                   ended = true;
                   try {
                     if (thrown) std::rethrow_exception(thrown);
                   } catch (const std::system_error& e) {
                     code = e.code();
                   }
                 }));
  const std::function<void()> turn = [&] {
    flow.begin_turn();
    if (ended) return;
    at_turn(client, signal);
    asio::post(context, turn);
  };
  asio::post(context, turn);
  context.run();
  REQUIRE(ended);
  return code;
}

const auto nothing = [](const Client&, asio::cancellation_signal&) {};

}  // namespace

TEST_CASE("[64] others run at least once in so many bytes and operations, however data come") {
  for (const bool at_once : {false, true}) {
    for (const Mode& mode : modes(12 * mebibyte)) {
      CAPTURE(std::string(mode.name));
      CAPTURE(at_once);
      Flow flow;
      flow.awaited_at_once = at_once;
      run_beside(flow, mode, ClientOptions(), nothing);
      // A stream whose awaited operations never suspend is believed a little.
      CHECK(flow.most_bytes <= (at_once ? 10 : 2) * mebibyte);
      CHECK(flow.most_operations <= 512);
      CHECK(flow.turns >= (at_once ? 1 : 4));
    }
  }
}

TEST_CASE("[64] decoding lets others run, too: collected bodies and streams") {
  for (const bool is_streamed : {false, true}) {
    CAPTURE(is_streamed);
    // Little comes over the wire, and decodes to a lot.
    std::size_t& made = Inflater::made = 0;
    std::size_t most = 0;
    ClientOptions options;
    options.codings.push_back({"inflate", {}, test::make_decoder<Inflater>});
    const std::string head =
        "HTTP/1.1 200 OK\r\nContent-Encoding: inflate\r\nContent-Length: 32768\r\n\r\n";
    Flow flow;
    const Mode mode{"", head, "x",
                    is_streamed
                        ? streamed(32 * mebibyte)
                        : Use([](const Client& client, RequestOptions o) -> asio::awaitable<void> {
                            auto call = client.get("http://test/", o);
                            const auto page = co_await std::move(call);
                            CHECK(page.body().size() == 32 * mebibyte);
                          })};
    const auto at_turn = [&](const Client&, asio::cancellation_signal&) {
      most = std::max(most, std::exchange(made, 0));
    };
    CHECK(run_beside(flow, mode, options, at_turn) == std::error_code());
    CHECK(most <= 2 * mebibyte);
    CHECK(most > 0);

    // A limit, the client's end and a cancellation end it on its way.
    const auto expect = [&](Errc expected, auto act, RequestOptions request) {
      Flow other;
      std::size_t turns = 0;
      const auto acting = [&](const Client& client, asio::cancellation_signal& signal) {
        if (made > 0 && ++turns == 3) act(client, signal);
      };
      made = 0;
      CHECK(run_beside(other, mode, options, acting, request) == expected);
    };
    expect(Errc::client_closed, [](const Client& c, auto&) { c.close(); }, {});
    expect(Errc::cancelled,
           [](const Client&, auto& s) { s.emit(asio::cancellation_type::terminal); }, {});
  }
}

TEST_CASE("[64] a total limit, the client's end and a cancellation take effect while data flow") {
  for (Mode& mode : modes(endless / 4)) {
    if (mode.head == empty && mode.name == std::string("an upload of bytes")) {
      // So many bytes are in no memory; these last for some turns.
      mode.use = upload([] { return ferry::Body(std::string(64 * mebibyte, 'x')); });
      mode.answers_after = 64 * mebibyte;
    }
    CAPTURE(std::string(mode.name));
    const auto ends_with = [&](Errc expected, auto act) {
      Flow flow;
      const auto at_turn = [&](const Client& client, asio::cancellation_signal& signal) {
        if (flow.turns == 5) act(client, signal);
      };
      CHECK(run_beside(flow, mode, ClientOptions(), at_turn) == expected);
    };
    ends_with(Errc::client_closed, [](const Client& c, auto&) { c.close(); });
    ends_with(Errc::cancelled,
              [](const Client&, auto& s) { s.emit(asio::cancellation_type::terminal); });
    const bool is_collected = mode.name == std::string("into a file") ||
                              std::string(mode.name).starts_with("a body") ||
                              mode.name == std::string("an upload of bytes");
    if (is_collected) continue;  // It would end by itself, before or after.
    Flow flow;
    CHECK(run_beside(flow, mode, ClientOptions(), nothing, {.timeout = 20ms}) ==
          Errc::total_timeout);
  }
}

TEST_CASE("a request is sent when its last byte is, even if that used up the budget") {
  // Each write takes 16 bytes and costs as much as any: for some of these sizes, the last one uses
  // up the budget.
  for (std::size_t size = 0; size < 2048; size += 16) {
    CAPTURE(size);
    const auto script = test::script({test::ok("")});
    script->write_size = 16;
    std::size_t written_at_turn = 0;
    bool ended = false;
    ClientOptions options;
    options.observer = [&](const ferry::Event& event) {
      if (event.kind == ferry::Event::Kind::request_sent)
        CHECK(script->written.size() > written_at_turn);
      ended = ended || event.kind == ferry::Event::Kind::response_received ||
              event.kind == ferry::Event::Kind::request_failed;
    };
    test::Scripted s(script, options);
    const std::function<void()> turn = [&] {
      written_at_turn = script->written.size();
      if (!ended) asio::post(s.context, turn);
    };
    asio::post(s.context, turn);
    CHECK(s.send(Request::post("http://test/").body(std::string(size, 'x'))));
  }
}

// Bodies larger than all buffers, over real sockets; waiting for leave to send one.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "support/run.hpp"
#include "support/server.hpp"

using namespace std::chrono_literals;
using ferry::Client;
using ferry::Request;
using ferry::ResponseStream;
using test::Peer;
using test::Server;

namespace {

constexpr std::size_t large = 64 * 1024 * 1024;

/// Reads all of a chunked body. How many bytes its data have.
asio::awaitable<std::size_t> read_chunks(Peer& peer) {
  std::string buffer(256 * 1024, '\0');
  std::string pending;
  std::size_t total = 0;
  std::size_t left = 0;  // Bytes of the chunk, with its line end.
  for (;;) {
    std::error_code error;
    auto token = asio::redirect_error(asio::use_awaitable, error);
    const auto line_end = left == 0 ? pending.find("\r\n") : std::string::npos;
    if (line_end != std::string::npos) {
      const auto size = std::stoul(pending.substr(0, line_end), nullptr, 16);
      pending.erase(0, line_end + 2);
      total += size;
      left = size + 2;
      if (size == 0) co_return total;
    }
    const auto part = std::min(left, pending.size());
    pending.erase(0, part);
    left -= part;
    if (left == 0 && pending.find("\r\n") != std::string::npos) continue;
    const auto count = co_await peer.socket().async_read_some(asio::buffer(buffer), token);
    if (error) co_return 0;
    pending.append(buffer, 0, count);
  }
}

/// Reads a request's head alone.
asio::awaitable<std::string> read_head(Peer& peer) {
  std::string head;
  std::error_code error;
  auto token = asio::redirect_error(asio::use_awaitable, error);
  char byte;
  while (!head.ends_with("\r\n\r\n") && !error) {
    co_await peer.socket().async_read_some(asio::buffer(&byte, 1), token);
    if (!error) head += byte;
  }
  co_return head;
}

ferry::Body chunks_of(std::size_t size) {
  return ferry::pull([left = size](std::span<char> room) mutable {
    const auto count = std::min(left, room.size());
    std::fill_n(room.data(), count, 'x');
    left -= count;
    return count;
  });
}

}  // namespace

TEST_CASE("[26] what is not read stays with the server: it has to wait") {
  std::atomic<std::size_t> sent{0};
  std::weak_ptr<asio::steady_timer> blocked;  // The first peer's.
  Server server([&](std::shared_ptr<Peer> peer) -> asio::awaitable<void> {
    std::error_code error;
    auto token = asio::redirect_error(asio::use_awaitable, error);
    const auto timer = std::make_shared<asio::steady_timer>(peer->socket().get_executor(),
                                                            asio::steady_timer::time_point::max());
    if (peer->number() == 1) blocked = timer;
    const std::string request = co_await peer->read_request();
    if (peer->number() == 2) {  // Answers once the other one can send no more.
      co_await blocked.lock()->async_wait(token);
      co_await peer->write(test::response("blocked"));
      co_return;
    }
    co_await peer->write("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(large) +
                         "\r\n\r\n");
    const std::string piece(64 * 1024, 'x');
    peer->socket().non_blocking(true);
    while (sent < large) {
      std::error_code failed;
      sent += peer->socket().write_some(
          asio::buffer(piece, std::min(piece.size(), large - sent.load())), failed);
      if (failed != asio::error::would_block) continue;
      timer->expires_at(asio::steady_timer::time_point::min());
      co_await peer->socket().async_wait(asio::socket_base::wait_write, token);
      if (error) co_return;
    }
    co_await peer->wait_closed();
  });
  asio::io_context context{1};
  const Client client(context);
  test::run(context, [&]() -> asio::awaitable<void> {
    ResponseStream stream = co_await client.stream(server.url());
    const auto answer = co_await client.get(server.url());
    CHECK(answer.body() == "blocked");
    CHECK(sent < large);
    std::size_t received = 0;
    while (const auto piece = co_await stream.read()) {
      received += piece->size();
      CHECK(piece->size() <= 64 * 1024);
    }
    CHECK(received == large);
    CHECK(client.pool().stats().active == 0);
  });
}

TEST_CASE("a large body of unknown size is sent as it is read, and its connection used again") {
  std::atomic<std::size_t> received{0};
  Server server([&](std::shared_ptr<Peer> peer) -> asio::awaitable<void> {
    for (;;) {
      const std::string head = co_await read_head(*peer);
      if (head.empty()) co_return;
      if (head.find("Transfer-Encoding: chunked\r\n") != std::string::npos) {
        const auto size = co_await read_chunks(*peer);
        received = size;
      }
      co_await peer->write(test::response("ok"));
    }
  });
  asio::io_context context{1};
  const Client client(context);
  test::run(context, [&]() -> asio::awaitable<void> {
    const auto put = co_await client.put(server.url(), chunks_of(large));
    CHECK(put.body() == "ok");
    CHECK(received == large);
    const auto next = co_await client.get(server.url());
    CHECK(next.connection().reused);
  });
}

TEST_CASE("Expect: over a socket, with leave, without, and refused") {
  Server server([](std::shared_ptr<Peer> peer) -> asio::awaitable<void> {
    const std::string head = co_await read_head(*peer);
    if (head.starts_with("PUT /refuse")) {
      co_await peer->write("HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n");
      co_await peer->wait_closed();
      co_return;
    }
    if (head.starts_with("PUT /leave")) co_await peer->write("HTTP/1.1 100 Continue\r\n\r\n");
    const auto size = co_await read_chunks(*peer);
    co_await peer->write(test::response(std::to_string(size), "Connection: close\r\n"));
  });
  asio::io_context context{1};
  const Client client(context);
  test::run(context, [&]() -> asio::awaitable<void> {
    const auto ask = [&](const char* path) {
      return Request::put(server.url(path), chunks_of(1000)).header("Expect", "100-continue");
    };
    const auto leave =
        co_await client.send(ask("/leave"), {.expect_continue_timeout = ferry::no_timeout});
    CHECK(leave.body() == "1000");
    const auto silence = co_await client.send(ask("/silence"), {.expect_continue_timeout = 1ms});
    CHECK(silence.body() == "1000");
    const auto refused =
        co_await client.send(ask("/refuse"), {.expect_continue_timeout = ferry::no_timeout});
    CHECK(refused.status() == 413);
  });
}

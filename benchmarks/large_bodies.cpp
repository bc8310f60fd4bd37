/// @file
/// The cost of large bodies: uploads and downloads, streamed, of known size and in chunks. The
/// server is a separate process, so that the peak of memory is the client's.

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <iostream>
#include <span>
#include <string>
#include <string_view>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

#include <asio.hpp>

#include <ferry/ferry.hpp>

#include "support/command_line.hpp"
#include "support/process.hpp"
#include "support/text.hpp"

namespace {

using asio::ip::tcp;
using benchmark::fixed;
using Clock = std::chrono::steady_clock;

constexpr const char* help =
    R"(Sends and receives large bodies as streams, and looks at the client's memory.

  --size BYTES  of each body, 1 to 2^40 (default 1073741824)
  --help        print this
)";

constexpr std::size_t piece_size = 64 * 1024;

/// Reads a chunked body to its end.
asio::awaitable<void> skip_chunks(tcp::socket& socket, std::string& input) {
  for (;;) {
    const auto line = co_await asio::async_read_until(socket, asio::dynamic_buffer(input), "\r\n",
                                                      asio::use_awaitable);
    std::size_t left = std::stoul(input.substr(0, line), nullptr, 16) + 2;
    const bool last = left == 2;
    input.erase(0, line);
    while (left > input.size()) {
      left -= input.size();
      input.resize(piece_size);
      input.resize(co_await socket.async_read_some(asio::buffer(input), asio::use_awaitable));
    }
    input.erase(0, left);
    if (last) co_return;
  }
}

asio::awaitable<void> serve(tcp::socket socket, std::uint64_t size) {
  std::string input;
  const std::string piece(piece_size, 'x');
  const std::string chunk = "10000\r\n" + piece + "\r\n";
  for (;;) {
    const auto end = co_await asio::async_read_until(socket, asio::dynamic_buffer(input),
                                                     "\r\n\r\n", asio::use_awaitable);
    const std::string head = input.substr(0, end);
    input.erase(0, end);
    std::string answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    std::uint64_t body = 0;
    const bool chunked = head.starts_with("GET /chunked");
    if (chunked) answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    const bool sized = head.starts_with("GET /sized");
    if (sized) answer = "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n";
    if (chunked || sized) body = size;
    if (head.find("Transfer-Encoding: chunked") != head.npos) {
      co_await skip_chunks(socket, input);
    } else if (const auto field = head.find("Content-Length: "); field != head.npos) {
      for (std::uint64_t left = std::stoull(head.substr(field + 16)); left > 0;) {
        const auto part = std::min<std::uint64_t>(left, input.size());
        input.erase(0, static_cast<std::size_t>(part));
        left -= part;
        if (left == 0) break;
        input.resize(piece_size);
        input.resize(co_await socket.async_read_some(asio::buffer(input), asio::use_awaitable));
      }
    }
    co_await asio::async_write(socket, asio::buffer(answer), asio::use_awaitable);
    for (std::uint64_t sent = 0; sent < body; sent += piece_size) {
      const auto part = static_cast<std::size_t>(std::min<std::uint64_t>(piece_size, body - sent));
      if (chunked && part < piece_size) break;  // Only whole pieces are sent in chunks.
      const auto bytes = chunked ? asio::buffer(chunk) : asio::buffer(piece, part);
      co_await asio::async_write(socket, bytes, asio::use_awaitable);
    }
    if (chunked)
      co_await asio::async_write(socket, asio::buffer("0\r\n\r\n", 5), asio::use_awaitable);
  }
}

asio::awaitable<void> accept(tcp::acceptor acceptor, std::uint64_t size) {
  for (;;) {
    tcp::socket socket = co_await acceptor.async_accept(asio::use_awaitable);
    asio::co_spawn(acceptor.get_executor(), serve(std::move(socket), size),
                   [](std::exception_ptr) {});
  }
}

/// A server in a separate process, which ends with this one.
class Server {
 public:
  explicit Server(std::uint64_t size) {
    asio::io_context context;
    tcp::acceptor acceptor(context, {asio::ip::address_v4::loopback(), 0});
    url_ = "http://127.0.0.1:" + std::to_string(acceptor.local_endpoint().port());
    context.notify_fork(asio::execution_context::fork_prepare);
    child_ = fork();
    if (child_ < 0) throw std::system_error(errno, std::generic_category(), "fork");
    if (child_ > 0) return;
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    context.notify_fork(asio::execution_context::fork_child);
    asio::co_spawn(context, accept(std::move(acceptor), size), asio::detached);
    context.run();
    std::_Exit(0);
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server() {
    kill(child_, SIGTERM);
    waitpid(child_, nullptr, 0);
  }
  std::string url(std::string_view path) const { return url_ + std::string(path); }

 private:
  std::string url_;
  pid_t child_ = -1;
};

/// The peak of this process's memory in bytes since `forget_peak`.
std::uint64_t peak_bytes() {
  std::ifstream status{"/proc/self/status"};
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmHWM:")) return std::stoull(line.substr(6)) * 1024;
  return 0;
}
void forget_peak() { std::ofstream{"/proc/self/clear_refs"} << "5"; }

ferry::Body body_of(std::uint64_t size, bool sized) {
  auto give = [left = size](std::span<char> room) mutable {
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(left, room.size()));
    std::fill_n(room.data(), count, 'x');
    left -= count;
    return count;
  };
  if (sized) return ferry::pull(std::move(give), size);
  return ferry::pull(std::move(give));
}

asio::awaitable<std::uint64_t> receive(ferry::Client client, std::string url) {
  ferry::ResponseStream stream = co_await client.stream(std::move(url));
  std::uint64_t received = 0;
  while (const auto piece = co_await stream.read()) received += piece->size();
  co_return received;
}

asio::awaitable<void> run(const Server& server, std::uint64_t size) {
  const auto executor = co_await asio::this_coro::executor;
  const ferry::Client client(executor);
  co_await client.get(server.url("/"));  // Allocates everything that is allocated once.
  std::cout << "| body of " << fixed(static_cast<double>(size) / (1 << 20), 0)
            << " MiB | MiB/s | peak memory, MiB | more than before, MiB |\n| --- | ---: | ---: | "
               "---: |\n";
  static constexpr std::array<std::string_view, 4> cases = {
      "received, of known size", "received, in chunks", "sent, of known size", "sent, in chunks"};
  for (const std::string_view what : cases) {
    const bool sized = what.ends_with("size");
    forget_peak();
    const auto before = benchmark::resident_bytes();
    const auto begin = Clock::now();
    std::uint64_t moved = size;
    if (what.starts_with("received")) {
      moved = co_await receive(client, server.url(sized ? "/sized" : "/chunked"));
    } else {
      const ferry::Response response = co_await client.put(server.url("/"), body_of(size, sized));
      response.raise_for_status();
    }
    const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    const double mib = 1 << 20;
    const auto peak = static_cast<double>(peak_bytes());
    std::cout << "| " << what << " | " << fixed(static_cast<double>(moved) / mib / seconds, 0)
              << " | " << fixed(peak / mib, 1) << " | "
              << fixed((peak - static_cast<double>(before)) / mib, 1) << " |\n";
    if (moved + piece_size <= size) throw std::runtime_error("a body was not whole");
  }
}

}  // namespace

int main(int count, char** arguments) {
  try {
    std::uint64_t size = std::uint64_t{1} << 30;
    benchmark::CommandLine line{count, arguments};
    while (line.next()) {
      if (line.option() == "--help") return std::cout << help, 0;
      if (line.option() != "--size")
        throw benchmark::UsageError{line.option() + ": there is no such option"};
      size = line.number(1, std::uint64_t{1} << 40);
    }
    const Server server(size);
    asio::io_context context{1};
    std::exception_ptr thrown;
    asio::co_spawn(context, run(server, size), [&](std::exception_ptr e) { thrown = e; });
    context.run();
    if (thrown) std::rethrow_exception(thrown);
  } catch (const std::exception& error) {
    std::cerr << "large_bodies: " << error.what() << '\n';
    return 1;
  }
}

#pragma once

// The cost of a reused GET to the client in the steady state. The figures are stable for one
// compiler and one version of Asio, so they are checked only there.

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <doctest/doctest.h>
#include <string>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ferry/ferry.hpp>

#include "support/heap.hpp"
#include "support/server.hpp"

namespace test {

inline constexpr int rounds = 200;
#if defined(__clang__)
inline constexpr bool reference_tools = false;
#else
inline constexpr bool reference_tools = __GNUC__ == 12 && ASIO_VERSION / 100 == 1022;
#endif

/// Answers after a millisecond, as a real server would. An immediate answer would hide the cost of
/// waiting for it.
inline Server::Handler delayed() {
  return [](std::shared_ptr<Peer> peer) -> asio::awaitable<void> {
    asio::steady_timer timer(peer->socket().get_executor());
    for (;;) {
      const std::string request = co_await peer->read_request();
      if (request.empty()) co_return;
      timer.expires_after(std::chrono::milliseconds(1));
      co_await timer.async_wait(asio::use_awaitable);
      co_await peer->write(response(
          "Hello, world!",
          "Server: test\r\nContent-Type: text/plain\r\nDate: Sun, 22 Nov 2026 12:00:00 GMT\r\n"));
    }
  };
}

/// Sends a GET; the previous response is not used.
inline asio::awaitable<ferry::Response> get(const ferry::Client& client, const std::string& url,
                                            ferry::Response&) {
  return client.get(url);
}
/// Sends a GET over its own connection.
inline asio::awaitable<ferry::Response> get_once(const ferry::Client&, const std::string& url,
                                                 ferry::Response&) {
  return ferry::get(url);
}

/// Warms up, then calls `begin`, sends the counted requests, and calls `end`.
template <class Begin, class End>
void run_client(const std::string& url, const ferry::ClientOptions& options, Begin begin, End end,
                decltype(get) send = get) {
  asio::io_context context{1};
  ferry::Client client(context, options);
  const auto body = [&]() -> asio::awaitable<void> {
    ferry::Response response = co_await client.get(url);
    for (int i = 0; i < 20; ++i) response = co_await send(client, url, response);
    begin();
    for (int i = 0; i < rounds; ++i) {
      response = co_await send(client, url, response);
      if (response.body().size() != 13) std::abort();
      if (response.connection().reused != (send != get_once)) std::abort();
    }
    end();
  };
  asio::co_spawn(context, body(), [](std::exception_ptr e) {
    if (e) std::rethrow_exception(e);
  });
  context.run();
}

/// Runs the client in a child process and counts its system calls between two calls of `getppid`.
inline double system_calls(const std::string& url, const ferry::ClientOptions& options,
                           decltype(get) send) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    ::raise(SIGSTOP);
    run_client(
        url, options, [] { ::getppid(); }, [] { ::getppid(); }, send);
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  if (!WIFSTOPPED(status) ||
      ::ptrace(PTRACE_SETOPTIONS, child, nullptr, PTRACE_O_TRACESYSGOOD) != 0) {
    ::kill(child, SIGKILL);
    ::waitpid(child, &status, 0);
    return -1;  // Tracing is not permitted here.
  }
  long calls = 0;
  int marks = 0;
  for (;;) {
    ::ptrace(PTRACE_SYSCALL, child, nullptr, nullptr);
    ::waitpid(child, &status, 0);
    if (WIFEXITED(status) || WIFSIGNALED(status)) break;
    if (WSTOPSIG(status) != (SIGTRAP | 0x80)) continue;
    __ptrace_syscall_info info{};
    ::ptrace(PTRACE_GET_SYSCALL_INFO, child, sizeof info, &info);
    if (info.op != PTRACE_SYSCALL_INFO_ENTRY) continue;
    if (info.entry.nr == SYS_getppid)
      ++marks;
    else if (marks == 1)
      ++calls;
  }
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  CHECK(marks == 2);
  return static_cast<double>(calls) / rounds;
}

/// Checks that a GET makes at most this many system calls; prints a message if they cannot be
/// counted.
inline void check_system_calls(const std::string& url, const ferry::ClientOptions& options,
                               double most, decltype(get) send = get) {
  const double calls = system_calls(url, options, send);
  if (calls < 0) {
    std::puts("skipped: system calls: tracing is not permitted here");
    return;
  }
  MESSAGE("system calls per request: " << calls);
  // A timer of the library's may fire now and then.
  if (reference_tools) CHECK(calls <= most + 0.05);
}

/// Checks that a reused GET makes at most this many heap allocations.
inline void check_allocations(const std::string& url, const ferry::ClientOptions& options,
                              double most, decltype(get) send = get) {
  long before = 0, after = 0;
  run_client(
      url, options, [&] { before = heap.allocations; }, [&] { after = heap.allocations; }, send);
  const double per_request = static_cast<double>(after - before) / rounds;
  MESSAGE("allocations per request: " << per_request);
  if (reference_tools) CHECK(per_request <= most + 0.05);
}

}  // namespace test

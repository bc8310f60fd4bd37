#pragma once

#include <doctest/doctest.h>
#include <exception>
#include <functional>
#include <string>
#include <utility>

#include <ferry/ferry.hpp>

namespace test {

/// Runs a coroutine on a context until nothing is left to do, and rethrows its exception. The
/// coroutine must have ended by then: if `run()` returns early, or never, the code under test is
/// wrong.
inline void run(asio::io_context& context, std::function<asio::awaitable<void>()> body) {
  bool ended = false;
  std::exception_ptr thrown;
  asio::co_spawn(context, body(), [&](std::exception_ptr e) {
    ended = true;
    thrown = e;
  });
  context.restart();
  context.run();
  if (thrown) std::rethrow_exception(thrown);
  REQUIRE(ended);
}

/// The code of the error that a result holds; a zero code if it holds none.
template <class T>
std::error_code code_of(const ferry::Result<T>& result) {
  return result ? std::error_code() : result.error().code();
}

/// True for the errors of a connection that broke off in an exchange.
inline bool is_broken_off(const std::error_code& code) {
  return code == ferry::Errc::connection_lost || code == ferry::Errc::truncated_head ||
         code == ferry::Errc::truncated_body;
}

/// Checks that a pool whose requests have all ended still counts right.
inline void check_counts(const ferry::PoolStats& stats) {
  CHECK(stats.active + stats.waiting + stats.connecting == 0);
  CHECK(stats.opened - stats.closed == stats.idle);
}

inline std::string ok(const std::string& body) {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

}  // namespace test

// doctest prints codes by their message.
namespace doctest {
template <>
struct StringMaker<std::error_code> {
  static String convert(const std::error_code& code) {
    return (std::string(code.category().name()) + ":" + code.message()).c_str();
  }
};
template <>
struct StringMaker<ferry::Errc> {
  static String convert(ferry::Errc code) { return make_error_code(code).message().c_str(); }
};
}  // namespace doctest

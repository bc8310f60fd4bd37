#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/http/request_head.hpp>
#include <ferry/detail/protocol/exchange.hpp>
#include <ferry/detail/time/work_budget.hpp>
#include <ferry/stream.hpp>

namespace ferry::inline FERRY_CONFIGURATION::detail {

/// The fitness of a connection for another exchange.
struct Reuse {
  std::optional<CloseReason> obstacle;  ///< The reason to close it; nothing if it may be reused.
  std::optional<Duration> keep_alive;   ///< The idle time that the server allows, if it says so.
};

/// A connection to a server, whatever version of HTTP it speaks. Calls know connections by this
/// interface alone; so does the pool, except that `PooledConnection` makes an `H1Connection`.
///
/// The course of an exchange:
///
///     begin --> while is_waiting: wait, then proceed --> the end of the response, or of its head
///       --> for a body with `BodyUse::Kind::leave`: read_body, until it gives an empty piece
///       --> end, possibly after drain; or abandon
///
/// Only `wait` and `read_body` wait. `wait` need not be a coroutine: usually it returns the
/// stream's awaitable, which saves a frame. After a failure, the caller still has to call
/// `abandon`; or, if the body was too large, `drain` and then `end`.
///
/// Threads: one coroutine at a time uses an exchange. The stream's `abort` may be called at any
/// time, by any thread.
class Connection {
 public:
  /// @param stream carries the connection's bytes.
  explicit Connection(std::unique_ptr<Stream> stream) noexcept : stream_(std::move(stream)) {}
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  virtual ~Connection() {
    if (stream_) stream_->close();
  }

  /// The stream below; call this only before `detach`.
  Stream& stream() const noexcept { return *stream_; }
  /// The work done since the coroutine last let others run.
  WorkBudget& budget() noexcept { return budget_; }

  /// The number of exchanges that the connection can carry at the same time.
  virtual std::size_t capacity() const noexcept = 0;
  /// Checks, without waiting, whether the idle connection can carry another exchange.
  virtual IdleState check_idle() noexcept { return stream_->check_idle(); }
  /// Checks a connection that has carried no request yet: bytes that have already arrived answer no
  /// request (RFC 9112 9.2).
  /// @return the failure, or nothing.
  virtual std::optional<Error> refuse_early_bytes() = 0;

  /// Begins an exchange, and writes as much of the request as possible without waiting.
  /// @param exchange must live until the exchange is ended.
  /// @param head is used during the call only.
  /// @return the failure, or nothing.
  virtual std::optional<Error> begin(Exchange& exchange, const RequestHead& head,
                                     const HeadLimits& limits, Clock::time_point now) = 0;
  /// True while the exchange needs `wait` and `proceed`.
  virtual bool is_waiting(const Exchange& exchange) const noexcept = 0;
  /// Waits until the exchange can proceed.
  /// @param error receives the error of the wait, for `proceed`.
  /// @return the number of bytes read, for `proceed`.
  virtual asio::awaitable<std::size_t> wait(Exchange& exchange, std::error_code& error) = 0;
  /// Proceeds with the result of `wait`, as far as possible without waiting.
  /// @return the failure, or nothing.
  virtual std::optional<Error> proceed(Exchange& exchange, std::size_t count,
                                       std::error_code error) = 0;

  /// Takes the next bytes of a body that was left, and waits for them if necessary.
  /// @param piece receives the bytes; valid until the next call, and empty at the body's end.
  /// @return the failure, or nothing.
  virtual asio::awaitable<std::optional<Error>> read_body(Exchange& exchange,
                                                          std::string_view& piece) = 0;

  /// Reads the rest of an unwanted or oversized body, if the rest is short and has already arrived.
  /// @return true if the response has been read to its end.
  virtual bool drain(Exchange& exchange) noexcept = 0;
  /// Ends an exchange whose response was read to its end.
  virtual Reuse end(Exchange& exchange) noexcept = 0;
  /// Ends an exchange that failed, or whose response was not read to its end.
  virtual void abandon(Exchange& exchange) noexcept = 0;
  /// After an exchange that ended with a 101: gives away the stream, and the bytes after the head.
  virtual std::pair<std::unique_ptr<Stream>, std::string> detach() = 0;

 protected:
  std::unique_ptr<Stream> stream_;
  WorkBudget budget_;
};

}  // namespace ferry::detail

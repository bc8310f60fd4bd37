#pragma once

/// @file
/// Streams that follow a script instead of a network, for testing ferry and code that uses it.

#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <system_error>
#include <utility>

#include <ferry/connector.hpp>
#include <ferry/detail/base/asio.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/result.hpp>
#include <ferry/stream.hpp>

namespace ferry::inline FERRY_CONFIGURATION {

namespace detail {
class OneShotEvent;
}

namespace testing {

/// The behaviour of a `ScriptedStream`, and a record of its operations. Shared with the test, which
/// may read and change it between requests.
///
/// A response becomes readable when a read waits for it after something was written, so requests
/// and responses take turns without the script parsing either. A test may also set `readable`
/// itself. Threads: one at a time.
class Script {
 public:
  /// The result of a read after the last response.
  enum class End {
    eof,      ///< The end of the stream.
    reset,    ///< The error `connection_reset`.
    silence,  ///< Waiting until the stream is aborted.
  };

  Script() = default;
  /// A script with these responses, in order.
  explicit Script(std::deque<std::string> all) : responses(std::move(all)) {}

  /// The responses, one for each request.
  std::deque<std::string> responses;
  /// If set, called instead of taking the next of `responses`, for a peer whose response depends on
  /// the bytes `written`. The function appends to `readable`.
  std::function<void(Script&)> respond;
  /// If not empty, it becomes readable when the first bytes of a request are written: a response
  /// that does not wait for the whole request.
  std::string early_response;
  /// The result of a read after the last response.
  End end = End::eof;
  std::size_t read_size = static_cast<std::size_t>(-1);  ///< The most bytes that a read returns.
  std::deque<std::size_t> read_sizes;                    ///< The same for the next reads; overrides
                                                         ///< `read_size`.
  std::size_t write_size = static_cast<std::size_t>(-1);  ///< The most bytes that a write takes.
  bool writes_block = false;  ///< True if non-blocking writes always "would block", as over TLS.
  int fail_at = 0;            ///< The number of the operation that fails, from 1; 0: none.
  /// The error of the failing operation.
  std::error_code failure = asio::error::connection_reset;
  bool failure_lasts = true;               ///< True if all later operations fail too, as on a real
                                           ///< connection.
  IdleState idle_look = IdleState::quiet;  ///< The result of a look when nothing can be read.

  std::string written;  ///< All bytes written.
  int operations = 0;   ///< Number of reads and writes, including failed ones.
  /// Number of calls of `check_idle`.
  int looks = 0;
  /// True if the stream was closed.
  bool closed = false;
  /// True if the stream was aborted.
  bool aborted = false;
  std::string readable;         ///< The bytes that can be read now.
  bool turn_to_answer = false;  ///< True if something was written since the last response began.
};

/// A stream that follows a `Script`. Every operation that may wait suspends its coroutine, so all
/// suspension points of a real exchange occur.
class ScriptedStream final : public Stream {
 public:
  /// A stream that follows this script.
  ScriptedStream(asio::any_io_executor executor, std::shared_ptr<Script> script);
  FERRY_DEFINITION ~ScriptedStream() override;

  FERRY_DEFINITION asio::awaitable<std::size_t> read_some(asio::mutable_buffer buffer,
                                                          std::error_code& error) override;
  FERRY_DEFINITION asio::awaitable<std::size_t> write_some(
      std::span<const asio::const_buffer> buffers, std::error_code& error) override;

  FERRY_DEFINITION asio::awaitable<std::size_t> write_some_or_wait_readable(
      std::span<const asio::const_buffer> buffers, std::error_code& error) override;

  FERRY_DEFINITION asio::awaitable<bool> wait_readable(
      std::chrono::steady_clock::time_point until) override;

  FERRY_DEFINITION std::size_t try_read_some(asio::mutable_buffer buffer,
                                             std::error_code& error) noexcept override;
  FERRY_DEFINITION std::size_t try_write_some(std::span<const asio::const_buffer> buffers,
                                              std::error_code& error) noexcept override;

  FERRY_DEFINITION IdleState check_idle() noexcept override;
  FERRY_DEFINITION void close() noexcept override;
  FERRY_DEFINITION void abort() noexcept override;
  bool is_open() const noexcept override { return !script_->closed && !script_->aborted; }
  std::string remote_endpoint() const override { return "scripted"; }

 private:
  asio::awaitable<std::size_t> read_first();

  void begin_response();

  std::size_t write(std::span<const asio::const_buffer> buffers, std::error_code& error) noexcept;

  bool fails(std::error_code& error);

  asio::any_io_executor executor_;
  std::shared_ptr<Script> script_;
  std::unique_ptr<detail::OneShotEvent> event_;
};

/// Opens scripted streams: set it as `options.connector`.
class ScriptedConnector final : public Connector {
 public:
  /// Returns the script of each connection, numbered from 1, or the error that it fails with.
  using Source = std::function<Result<std::shared_ptr<Script>>(int number)>;

  /// A connector that asks this function for each connection.
  explicit ScriptedConnector(Source source) : source_(std::move(source)) {}
  /// A connector whose connections all follow this script.
  explicit ScriptedConnector(std::shared_ptr<Script> script);

  FERRY_DEFINITION asio::awaitable<Result<std::unique_ptr<Stream>>> connect(DialContext&) override;

  /// The number of connections requested.
  int connections() const noexcept { return connections_; }

 private:
  Source source_;
  int connections_ = 0;
};

}  // namespace testing

}  // namespace ferry

#if !defined(FERRY_SEPARATE_COMPILATION)
#include <ferry/impl/testing/scripted_stream.ipp>
#endif

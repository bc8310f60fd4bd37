#pragma once

/// @file
/// Streams that follow a script instead of a network, for testing ferry and code that uses it.

#include <algorithm>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include <ferry/connector.hpp>
#include <ferry/detail/time/one_shot_event.hpp>
#include <ferry/stream.hpp>

namespace ferry::testing {

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
  ScriptedStream(asio::any_io_executor executor, std::shared_ptr<Script> script)
      : executor_(std::move(executor)), script_(std::move(script)) {}
  ~ScriptedStream() override { close(); }

  asio::awaitable<std::size_t> read_some(asio::mutable_buffer buffer,
                                         std::error_code& error) override {
    auto token = asio::redirect_error(asio::use_awaitable, error);
    co_await asio::post(executor_, token);
    begin_response();
    const auto count = try_read_some(buffer, error);
    if (error != asio::error::would_block) co_return count;
    error.clear();
    co_await event_.wait();  // Only an abort or a cancellation ends this silence.
    error = script_->aborted ? std::error_code(asio::error::eof)
                             : std::error_code(asio::error::operation_aborted);
    co_return 0;
  }
  asio::awaitable<std::size_t> write_some(std::span<const asio::const_buffer> buffers,
                                          std::error_code& error) override {
    auto token = asio::redirect_error(asio::use_awaitable, error);
    co_await asio::post(executor_, token);
    co_return write(buffers, error);
  }

  asio::awaitable<std::size_t> write_some_or_wait_readable(
      std::span<const asio::const_buffer> buffers, std::error_code& error) override {
    if (script_->readable.empty()) return write_some(buffers, error);
    return read_first();
  }

  asio::awaitable<bool> wait_readable(std::chrono::steady_clock::time_point until) override {
    begin_response();
    if (script_->readable.empty() && script_->end == Script::End::silence)
      co_await event_.wait(until);
    co_return true;
  }

  std::size_t try_read_some(asio::mutable_buffer buffer, std::error_code& error) noexcept override {
    Script& script = *script_;
    error.clear();
    const bool failed =
        script.fail_at > 0 && script.failure_lasts && script.operations >= script.fail_at;
    if (script.readable.empty() && script.end == Script::End::silence && !script.aborted &&
        !failed) {
      error = asio::error::would_block;
      return 0;
    }
    if (fails(error)) return 0;
    if (script.readable.empty()) {
      error = script.end == Script::End::reset ? asio::error::connection_reset
                                               : std::error_code(asio::error::eof);
      return 0;
    }
    std::size_t most = script.read_size;
    if (!script.read_sizes.empty()) {
      most = script.read_sizes.front();
      script.read_sizes.pop_front();
    }
    const auto count = std::min({buffer.size(), most, script.readable.size()});
    std::memcpy(buffer.data(), script.readable.data(), count);
    script.readable.erase(0, count);
    return count;
  }
  std::size_t try_write_some(std::span<const asio::const_buffer> buffers,
                             std::error_code& error) noexcept override {
    if (script_->writes_block) {
      error = asio::error::would_block;
      return 0;
    }
    return write(buffers, error);
  }

  IdleState check_idle() noexcept override {
    ++script_->looks;
    if (!script_->readable.empty()) return IdleState::unexpected_data;
    return script_->idle_look;
  }
  void close() noexcept override { script_->closed = true; }
  void abort() noexcept override {
    script_->aborted = true;
    event_.fire();
  }
  bool is_open() const noexcept override { return !script_->closed && !script_->aborted; }
  std::string remote_endpoint() const override { return "scripted"; }

 private:
  asio::awaitable<std::size_t> read_first() {
    co_await asio::post(executor_, asio::use_awaitable);
    co_return 0;
  }

  void begin_response() {
    Script& script = *script_;
    if (!script.readable.empty() || !script.turn_to_answer) return;
    if (script.respond) {
      script.turn_to_answer = false;
      return script.respond(script);
    }
    if (script.responses.empty()) return;
    script.readable = std::move(script.responses.front());
    script.responses.pop_front();
    script.turn_to_answer = false;
  }

  std::size_t write(std::span<const asio::const_buffer> buffers, std::error_code& error) noexcept {
    error.clear();
    if (fails(error)) return 0;
    std::size_t count = 0;
    try {
      for (const auto& buffer : buffers) {
        const auto part = std::min(buffer.size(), script_->write_size - count);
        script_->written.append(static_cast<const char*>(buffer.data()), part);
        count += part;
      }
    } catch (const std::bad_alloc&) {
      error = asio::error::no_memory;
      return 0;
    }
    script_->readable += std::exchange(script_->early_response, {});
    script_->turn_to_answer = true;
    return count;
  }

  bool fails(std::error_code& error) {
    const int fail_at = script_->fail_at;
    ++script_->operations;
    if (fail_at > 0 && (script_->operations == fail_at ||
                        (script_->failure_lasts && script_->operations > fail_at)))
      error = script_->failure;
    if (script_->aborted || script_->closed) error = asio::error::eof;
    return static_cast<bool>(error);
  }

  asio::any_io_executor executor_;
  std::shared_ptr<Script> script_;
  detail::OneShotEvent event_;
};

/// Opens scripted streams: set it as `options.connector`.
class ScriptedConnector final : public Connector {
 public:
  /// Returns the script of each connection, numbered from 1, or the error that it fails with.
  using Source = std::function<Result<std::shared_ptr<Script>>(int number)>;

  /// A connector that asks this function for each connection.
  explicit ScriptedConnector(Source source) : source_(std::move(source)) {}
  /// A connector whose connections all follow this script.
  explicit ScriptedConnector(std::shared_ptr<Script> script)
      : source_([script](int) { return script; }) {}

  asio::awaitable<Result<std::unique_ptr<Stream>>> connect(DialContext&) override {
    using Connected = Result<std::unique_ptr<Stream>>;
    const auto executor = co_await asio::this_coro::executor;
    co_await asio::post(executor, asio::use_awaitable);
    auto script = source_(++connections_);
    if (!script) co_return Connected(script.error());
    if (!*script) co_return Connected(Error(Errc::connect_failed, "there is no script"));
    co_return Connected(std::make_unique<ScriptedStream>(executor, *script));
  }

  /// The number of connections requested.
  int connections() const noexcept { return connections_; }

 private:
  Source source_;
  int connections_ = 0;
};

}  // namespace ferry::testing

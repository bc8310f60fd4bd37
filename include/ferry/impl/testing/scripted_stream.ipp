#pragma once

#include <algorithm>
#include <cstring>
#include <new>

#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/time/one_shot_event.hpp>
#include <ferry/error.hpp>
#include <ferry/testing/scripted_stream.hpp>

namespace ferry::inline FERRY_CONFIGURATION::testing {

FERRY_DEFINITION ScriptedStream::ScriptedStream(asio::any_io_executor executor,
                                                std::shared_ptr<Script> script)
    : executor_(std::move(executor)),
      script_(std::move(script)),
      event_(std::make_unique<detail::OneShotEvent>()) {}

FERRY_DEFINITION ScriptedStream::~ScriptedStream() { close(); }

FERRY_DEFINITION asio::awaitable<std::size_t> ScriptedStream::read_some(asio::mutable_buffer buffer,
                                                                        std::error_code& error) {
  auto token = asio::redirect_error(asio::use_awaitable, error);
  co_await asio::post(executor_, token);
  begin_response();
  const auto count = try_read_some(buffer, error);
  if (error != asio::error::would_block) co_return count;
  error.clear();
  co_await event_->wait();  // Only an abort or a cancellation ends this silence.
  error = script_->aborted ? std::error_code(asio::error::eof)
                           : std::error_code(asio::error::operation_aborted);
  co_return 0;
}

FERRY_DEFINITION asio::awaitable<std::size_t> ScriptedStream::write_some(
    std::span<const asio::const_buffer> buffers, std::error_code& error) {
  auto token = asio::redirect_error(asio::use_awaitable, error);
  co_await asio::post(executor_, token);
  co_return write(buffers, error);
}

FERRY_DEFINITION asio::awaitable<std::size_t> ScriptedStream::write_some_or_wait_readable(
    std::span<const asio::const_buffer> buffers, std::error_code& error) {
  if (script_->readable.empty()) return write_some(buffers, error);
  return read_first();
}

FERRY_DEFINITION asio::awaitable<bool> ScriptedStream::wait_readable(
    std::chrono::steady_clock::time_point until) {
  begin_response();
  if (script_->readable.empty() && script_->end == Script::End::silence)
    co_await event_->wait(until);
  co_return true;
}

FERRY_DEFINITION std::size_t ScriptedStream::try_read_some(asio::mutable_buffer buffer,
                                                           std::error_code& error) noexcept {
  Script& script = *script_;
  error.clear();
  const bool failed =
      script.fail_at > 0 && script.failure_lasts && script.operations >= script.fail_at;
  if (script.readable.empty() && script.end == Script::End::silence && !script.aborted && !failed) {
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

FERRY_DEFINITION std::size_t ScriptedStream::try_write_some(
    std::span<const asio::const_buffer> buffers, std::error_code& error) noexcept {
  if (script_->writes_block) {
    error = asio::error::would_block;
    return 0;
  }
  return write(buffers, error);
}

FERRY_DEFINITION IdleState ScriptedStream::check_idle() noexcept {
  ++script_->looks;
  if (!script_->readable.empty()) return IdleState::unexpected_data;
  return script_->idle_look;
}

FERRY_DEFINITION void ScriptedStream::close() noexcept { script_->closed = true; }

FERRY_DEFINITION void ScriptedStream::abort() noexcept {
  script_->aborted = true;
  event_->fire();
}

FERRY_DEFINITION asio::awaitable<std::size_t> ScriptedStream::read_first() {
  co_await asio::post(executor_, asio::use_awaitable);
  co_return 0;
}

FERRY_DEFINITION void ScriptedStream::begin_response() {
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

FERRY_DEFINITION std::size_t ScriptedStream::write(std::span<const asio::const_buffer> buffers,
                                                   std::error_code& error) noexcept {
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

FERRY_DEFINITION bool ScriptedStream::fails(std::error_code& error) {
  const int fail_at = script_->fail_at;
  ++script_->operations;
  if (fail_at > 0 &&
      (script_->operations == fail_at || (script_->failure_lasts && script_->operations > fail_at)))
    error = script_->failure;
  if (script_->aborted || script_->closed) error = asio::error::eof;
  return static_cast<bool>(error);
}

FERRY_DEFINITION ScriptedConnector::ScriptedConnector(std::shared_ptr<Script> script)
    : source_([script](int) { return script; }) {}

FERRY_DEFINITION asio::awaitable<Result<std::unique_ptr<Stream>>> ScriptedConnector::connect(
    DialContext&) {
  using Connected = Result<std::unique_ptr<Stream>>;
  const auto executor = co_await asio::this_coro::executor;
  co_await asio::post(executor, asio::use_awaitable);
  auto script = source_(++connections_);
  if (!script) co_return Connected(script.error());
  if (!*script) co_return Connected(Error(Errc::connect_failed, "there is no script"));
  co_return Connected(std::make_unique<ScriptedStream>(executor, *script));
}

}  // namespace ferry::testing

#pragma once

#include <span>

#include <ferry/async_stream.hpp>
#include <ferry/detail/base/configuration.hpp>

namespace ferry::inline FERRY_CONFIGURATION {

FERRY_DEFINITION asio::awaitable<AsyncStream::Outcome> AsyncStream::read(
    asio::mutable_buffer buffer) {
  Outcome outcome;
  if (!received_.empty() || buffer.size() == 0) {
    outcome.count = asio::buffer_copy(buffer, asio::buffer(received_));
    received_.erase(0, outcome.count);
    co_return outcome;
  }
  outcome.count = co_await stream_->read_some(buffer, outcome.error);
  co_return outcome;
}

FERRY_DEFINITION asio::awaitable<AsyncStream::Outcome> AsyncStream::write(
    asio::const_buffer buffer) {
  Outcome outcome;
  if (buffer.size() > 0)
    outcome.count = co_await stream_->write_some(std::span(&buffer, 1), outcome.error);
  co_return outcome;
}

}  // namespace ferry

#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/h1/encoder.hpp>
#include <ferry/detail/http/field_checks.hpp>
#include <ferry/detail/protocol/exchange.hpp>
#include <ferry/detail/time/cancellation.hpp>
#include <ferry/detail/time/user_coroutine.hpp>
#include <ferry/detail/time/work_budget.hpp>
#include <ferry/stream.hpp>

namespace ferry::inline FERRY_CONFIGURATION::detail {

/// The request of one exchange on its way to the stream: the head, then the body from memory or
/// from its source, in chunks if its size is not known (RFC 9112 7.1).
///
///     rest                 the part of the body that is not yet among the unsent bytes
///     awaiting_continue    all of it --> begin_body --> in_source, or none
///     in_source            the part that the source has not given --> read_source --> none
///     none                 nothing
///
/// Threads: as the connection.
class RequestWriter {
 public:
  enum class Rest { awaiting_continue, in_source, none };

  /// The memory of a request's bytes. It belongs to the connection, which uses it again.
  struct Memory {
    ByteBuffer head;
    std::string piece;       ///< Current piece of a source's body.
    std::string chunk_head;  ///< Bytes before the piece, or the end of a chunked body.
  };

  RequestWriter(Exchange& exchange, const RequestHead& head, Memory& memory, Stream& stream,
                WorkBudget& budget)
      : exchange_(exchange), stream_(stream), budget_(budget), memory_(memory) {
    memory_.head.clear();
    encode_head(head, memory_.head);
    add_unsent(asio::buffer(memory_.head.view()));
    if (head.expect)
      rest_ = Rest::awaiting_continue;
    else
      begin_body();
  }
  RequestWriter(const RequestWriter&) = delete;
  RequestWriter& operator=(const RequestWriter&) = delete;

  Rest rest() const noexcept { return rest_; }
  /// True until the connection ends the sending, which may be before the request is complete.
  bool is_active() const noexcept { return is_active_; }
  void stop() noexcept { is_active_ = false; }
  /// True once the whole request was written.
  bool is_complete() const noexcept { return rest_ == Rest::none && unsent().empty(); }
  /// The error of a failed write. It does not end the exchange: a server may answer and close
  /// without having read everything, and its answer is worth more than the error.
  std::error_code error() const noexcept { return error_; }
  void set_error(std::error_code error) noexcept { error_ = error; }

  /// The bytes to write next.
  std::span<const asio::const_buffer> unsent() const noexcept {
    return {unsent_.data() + sent_, unsent_count_ - sent_};
  }
  /// Accounts for bytes that were written.
  void consume(std::size_t count) noexcept {
    exchange_.bytes_sent += count;
    for (std::size_t left = count; left > 0;) {
      const auto part = std::min(left, unsent_[sent_].size());
      unsent_[sent_] += part;
      left -= part;
      if (unsent_[sent_].size() == 0) ++sent_;
    }
    if (count > 0 && !unsent().empty()) exchange_.deadline.extend();
  }

  /// Writes as much of the unsent bytes as possible without waiting.
  /// @return false after an error.
  bool write_available() {
    while (!unsent().empty() && !budget_.is_used_up()) {
      std::error_code error;
      const std::size_t sent = stream_.try_write_some(unsent(), error);
      if (error == asio::error::would_block) return true;
      error_ = error;
      if (error) return false;
      budget_.spend(sent);
      consume(sent);
    }
    return true;
  }

  /// Lets the body follow, because the server wants it or nothing was to be awaited.
  void begin_body() noexcept {
    rest_ = exchange_.body.source() ? Rest::in_source : Rest::none;
    add_unsent(asio::buffer(exchange_.body.bytes()));
  }

  /// Adds the source's next piece to the unsent bytes, of which there are none.
  /// @return the failure, or nothing.
  asio::awaitable<std::optional<Error>> read_source() {
    BodySource& source = *exchange_.body.source();
    const auto size = exchange_.body_size;
    const std::uint64_t left = size ? *size - given_ : largest_piece;
    if (memory_.piece.empty()) memory_.piece.resize(largest_piece);
    // If nothing is left, one more byte shows that the source is longer than it said.
    const auto room = static_cast<std::size_t>(std::clamp<std::uint64_t>(left, 1, largest_piece));
    std::optional<Error> failure;
    std::size_t count = 0;
    Headers trailers;
    try {
      const auto buffer = asio::buffer(memory_.piece.data(), room);
      if (const auto there = source.read_now(buffer)) {
        count = *there;
      } else {
        auto reading = read_into(count, source, buffer);
        co_await run_limited(std::move(reading), exchange_.deadline, Phase::body_source);
        const auto cancellation = co_await asio::this_coro::cancellation_state;
        if (is_cancelled(cancellation)) failure.emplace(Errc::cancelled);
      }
      budget_.spend(0);
      if (!failure && count == 0 && !size) trailers = source.trailers();
    } catch (const std::exception& e) {
      failure = source_failure(e);
    }
    if (!failure) failure = check_given(count, room, left);
    if (failure) co_return failure;
    if (count > 0)
      add_piece(count);
    else
      co_return end_body(trailers);
    co_return std::nullopt;
  }

  /// Frees the memory of the request's bytes, which are no longer needed.
  void free_memory() noexcept {
    if (memory_.head.capacity() > max_kept_head) memory_.head = ByteBuffer();
    memory_.piece = std::string();
  }

 private:
  static constexpr std::size_t max_kept_head = 64 * 1024;
  static constexpr std::size_t largest_piece = 64 * 1024;

  static asio::awaitable<void> read_into(std::size_t& count, BodySource& source,
                                         asio::mutable_buffer buffer) {
    count = co_await source.read(buffer);
  }

  /// The failure for an exception of the source. An `Error` may come from another connection that
  /// the source reads from: it says nothing about this connection, and is no reason to send again.
  static Error source_failure(const std::exception& thrown) {
    const auto* const error = dynamic_cast<const std::system_error*>(&thrown);
    if (error && (is_cancelled(error->code()) || error->code() == Errc::cancelled))
      return Error(Errc::cancelled);
    return Error(Errc::body_source_failed, thrown.what());
  }

  /// Checks the size of the piece that the source gave.
  /// @param room the size of the buffer that the source got.
  /// @param left the number of bytes that the source still had to give, if that is known.
  std::optional<Error> check_given(std::size_t count, std::size_t room, std::uint64_t left) {
    given_ += count;
    if (count > room)
      return Error(Errc::body_source_failed, "it returned more than it was given room for");
    const auto size = exchange_.body_size;
    if (size && given_ > *size)
      return Error(Errc::body_source_failed, "it is longer than it had said");
    if (size && left > 0 && count == 0)
      return Error(Errc::body_source_failed, "it ended after " + std::to_string(given_) + " of " +
                                                 std::to_string(*size) + " bytes");
    return std::nullopt;
  }

  /// Adds a piece of the body to the unsent bytes.
  void add_piece(std::size_t count) {
    const auto data = asio::buffer(memory_.piece.data(), count);
    if (exchange_.body_size) {
      add_unsent(data);
      return;
    }
    char digits[18];
    const auto end = std::to_chars(digits, digits + 16, count, 16).ptr;
    memory_.chunk_head.assign(digits, end).append("\r\n");
    add_unsent(asio::buffer(memory_.chunk_head));
    add_unsent(data);
    add_unsent(asio::buffer("\r\n", 2));
  }

  /// Ends the body; in chunks, with the last chunk and the trailers.
  /// @return the failure if a trailer is not allowed, or nothing.
  std::optional<Error> end_body(const Headers& trailers) {
    rest_ = Rest::none;
    if (exchange_.body_size) return std::nullopt;
    memory_.chunk_head = "0\r\n";
    for (const auto [name, value] : trailers) {
      if (const auto forbidden = forbidden_trailer(name); !forbidden.empty())
        return Error(Errc::invalid_header, std::string(forbidden) + " cannot be a trailer");
      memory_.chunk_head.append(name).append(": ").append(value).append("\r\n");
    }
    memory_.chunk_head.append("\r\n");
    add_unsent(asio::buffer(memory_.chunk_head));
    return std::nullopt;
  }

  /// Appends a piece to the unsent bytes.
  void add_unsent(asio::const_buffer piece) noexcept {
    if (sent_ == unsent_count_) sent_ = unsent_count_ = 0;
    if (piece.size() > 0) unsent_[unsent_count_++] = piece;
  }

  Exchange& exchange_;
  Stream& stream_;
  WorkBudget& budget_;
  Memory& memory_;
  /// The next bytes to write: the head, and a piece of the body with a chunk's framing around it.
  std::array<asio::const_buffer, 4> unsent_;
  std::size_t unsent_count_ = 0;
  std::size_t sent_ = 0;     // Number of these buffers written completely.
  std::uint64_t given_ = 0;  // Bytes given by the source.
  std::error_code error_;
  Rest rest_ = Rest::none;
  bool is_active_ = true;
};

}  // namespace ferry::detail

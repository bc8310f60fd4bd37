#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/call/open_body.hpp>
#include <ferry/detail/file/output_file.hpp>
#include <ferry/detail/time/cancellation.hpp>
#include <ferry/response_stream.hpp>

namespace ferry::inline FERRY_CONFIGURATION {

namespace detail {

/// Marks a read as in progress while this object exists.
class BodyReading {
 public:
  explicit BodyReading(bool& flag) noexcept : flag_(flag) { flag_ = true; }
  BodyReading(const BodyReading&) = delete;
  BodyReading& operator=(const BodyReading&) = delete;
  ~BodyReading() { flag_ = false; }

 private:
  bool& flag_;
};

}  // namespace detail

FERRY_DEFINITION ResponseStream::ResponseStream() noexcept = default;
FERRY_DEFINITION ResponseStream::ResponseStream(std::unique_ptr<detail::OpenBody> body) noexcept
    : body_(std::move(body)) {}
FERRY_DEFINITION ResponseStream::ResponseStream(ResponseStream&&) noexcept = default;
FERRY_DEFINITION ResponseStream& ResponseStream::operator=(ResponseStream&&) noexcept = default;
FERRY_DEFINITION ResponseStream::~ResponseStream() = default;

FERRY_DEFINITION asio::awaitable<std::optional<std::string_view>> ResponseStream::read() & {
  if (!body_) co_return std::nullopt;
  detail::OpenBody& body = *body_;
  if (body.failure) throw *body.failure;
  if (!body.is_open()) co_return std::nullopt;
  if (body.is_being_read)
    throw Error(Errc::lease_unusable, "a read of this stream is in progress already");
  const detail::BodyReading reading(body.is_being_read);
  std::string_view piece;
  std::optional<Error> failure;
  try {
    failure = co_await body.read(piece);
  } catch (const std::system_error& e) {
    failure = detail::cancellation_of(e);
  }
  if (!failure) failure = body.consumed(piece);
  if (failure) throw body.failed(*failure);
  if (piece.empty()) co_return std::nullopt;
  co_return piece;
}

FERRY_DEFINITION asio::awaitable<std::string> ResponseStream::read_all() {
  std::string all;
  try {
    while (const auto piece = co_await read()) {
      const std::uint64_t most = body_->call->options.max_body_size;
      if (piece->size() > most - all.size())
        throw body_->failed(
            Error(Errc::body_too_large,
                  "it is larger than " + std::to_string(most) + " bytes (limits.max_body_size)"));
      all += *piece;
    }
  } catch (const std::system_error& e) {
    detail::throw_cancelled(e, *this);
  }
  co_return all;
}

FERRY_DEFINITION asio::awaitable<std::uint64_t> ResponseStream::read_to(std::string path) {
  detail::OutputFile file(std::move(path), detail::OutputFile::Mode::replace);
  std::uint64_t written = 0;
  try {
    while (const auto piece = co_await read()) {
      file.write(*piece);
      written += piece->size();
    }
  } catch (const std::system_error& e) {
    detail::throw_cancelled(e, *this);
  }
  file.close();
  co_return written;
}

FERRY_DEFINITION const Response& ResponseStream::response() const noexcept {
  static const Response none;
  return body_ ? body_->response : none;
}

FERRY_DEFINITION void detail::throw_cancelled(const std::system_error& thrown,
                                              ResponseStream& stream) {
  const Error cancelled = cancellation_of(thrown);
  OpenBody* const body = access::body(stream).get();
  if (body && body->failure) throw *body->failure;
  if (body && body->is_open()) throw body->failed(cancelled);
  throw cancelled;
}

}  // namespace ferry

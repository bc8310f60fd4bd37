#pragma once

/// @file
/// `Body`: a request's content; `BodySource`: content that is read while it is sent.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <ferry/detail/base/access.hpp>
#include <ferry/detail/base/asio.hpp>
#include <ferry/detail/base/co_await_safe.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/error.hpp>
#include <ferry/headers.hpp>

namespace ferry::inline FERRY_CONFIGURATION {

/// Content that is read piece by piece while it is sent, as fast as the server takes it.
///
/// Lifetime: shared by the bodies made from it. Threads: read by one request at a time, on that
/// request's executor; a second request at the same time fails with `Errc::invalid_body`.
class BodySource {
 public:
  BodySource() = default;
  BodySource(const BodySource&) = delete;
  BodySource& operator=(const BodySource&) = delete;
  virtual ~BodySource() = default;

  /// Goes to the beginning. Called before every attempt, the first included.
  /// @return nothing, or an error: the request then fails with it before anything is sent.
  virtual std::optional<Error> rewind() = 0;
  /// True if `rewind` still works after bytes were read: a failed request may then be repeated.
  virtual bool can_rewind() const noexcept { return true; }

  /// The number of bytes, asked for after `rewind`. Nothing if unknown: the body is then sent in
  /// chunks (RFC 9112 7.1).
  virtual std::optional<std::uint64_t> size() const { return std::nullopt; }

  /// Puts the next bytes into the buffer, which is not empty, if that takes no waiting. The call
  /// needs no coroutine: a source that never waits does all of its work here.
  /// @return the number of bytes, at least one; 0 at the end; nothing: the client calls `read`.
  /// @throws as `read`.
  virtual std::optional<std::size_t> read_now(asio::mutable_buffer buffer) {
    (void)buffer;
    return std::nullopt;
  }

  /// Puts the next bytes into the buffer, which is not empty, and may wait for them. This coroutine
  /// runs on the request's executor, in a strand of its own.
  /// @return the number of bytes, at least one; 0 at the end.
  /// @throws any `std::exception`: the request then fails with `Errc::body_source_failed`, which
  ///   carries the message.
  /// Cancellation: when the total limit passes, the request is cancelled or the client is closed,
  /// this coroutine is cancelled (`terminal`) and waited for. A coroutine that ignores its
  /// cancellation delays the request's end.
  virtual asio::awaitable<std::size_t> read(asio::mutable_buffer buffer) = 0;

  /// Fields to send after a body of unknown size, asked for after its end: a checksum, for example
  /// (RFC 9110 6.5). The request should announce their names in a field `Trailer`.
  virtual Headers trailers() { return {}; }

 private:
  friend struct detail::access;

  std::atomic<bool> in_use_{false};
};

/// A request's content and its `Content-Type`: bytes, or a source of them.
///
/// `ferry/file.hpp`, `ferry/form.hpp` and `ferry/multipart.hpp` make other bodies. Lifetime: owns
/// or shares its bytes; shares its source. Threads: a value.
class Body {
 public:
  /// A body without content.
  Body() = default;
  /// A body of these bytes, without a `Content-Type` unless one is given.
  Body(std::string bytes, std::string content_type = {})
      : bytes_(std::move(bytes)), content_type_(std::move(content_type)), present_(true) {}
  /// Deleted: fields in braces would be taken for the begin and end iterators of a string. Use
  /// `form` or `json`.
  Body(std::initializer_list<std::pair<std::string_view, std::string_view>>) = delete;
  /// A body of this zero-terminated text.
  Body(const char* text) : Body(std::string(text)) {}
  /// A body with a copy of these bytes.
  Body(std::span<const std::byte> bytes, std::string content_type = {})
      : Body(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()),
             std::move(content_type)) {}
  /// A body that shares these bytes, so that content that is sent often is not copied for each
  /// request. The pointer must not be null, and the bytes must not change while the body exists.
  Body(std::shared_ptr<const std::string> bytes, std::string content_type = {})
      : shared_(std::move(bytes)), content_type_(std::move(content_type)), present_(true) {}
  /// A body that reads from this source; not null.
  Body(std::shared_ptr<BodySource> source, std::string content_type = {})
      : content_type_(std::move(content_type)), source_(std::move(source)), present_(true) {}

  /// The bytes; empty for a body with a source.
  const std::string& bytes() const& noexcept { return shared_ ? *shared_ : bytes_; }
  /// Overload for a temporary: returns by value.
  std::string bytes() && {
    if (shared_) return *shared_;
    return std::move(bytes_);
  }
  /// The `Content-Type` to send, unless the request or the client has a field of that name.
  const std::string& content_type() const& noexcept { return content_type_; }
  /// Overload for a temporary: returns by value.
  std::string content_type() && { return std::move(content_type_); }
  /// The source of the bytes; null if they are in memory.
  const std::shared_ptr<BodySource>& source() const& noexcept { return source_; }
  /// Overload for a temporary: returns by value.
  std::shared_ptr<BodySource> source() && { return std::move(source_); }
  /// False for a request without content; true for empty content.
  bool is_present() const noexcept { return present_; }

 private:
  std::string bytes_;
  std::shared_ptr<const std::string> shared_;
  std::string content_type_;
  std::shared_ptr<BodySource> source_;
  bool present_ = false;
};
static_assert(detail::co_await_safe<Body>);

/// A body of JSON: `co_await client.post("/users", ferry::json(R"({"name":"Ada"})"))`. The text is
/// sent as given; for values see `ferry/nlohmann.hpp`.
inline Body json(std::string text) { return Body(std::move(text), "application/json"); }
/// Deleted: fields in braces are not a text.
Body json(std::initializer_list<std::pair<std::string_view, std::string_view>>) = delete;

namespace detail {

/// A request's exclusive use of a body's source. It keeps the source alive: a redirect may drop the
/// body first.
class SourceLock {
 public:
  /// Claims the source.
  explicit SourceLock(const Body& body) noexcept
      : source_(body.source()), granted_(!source_ || !access::in_use(*source_).exchange(true)) {}
  SourceLock(const SourceLock&) = delete;
  SourceLock& operator=(const SourceLock&) = delete;
  ~SourceLock() { release(); }
  /// False if another request uses the source.
  bool granted() const noexcept { return granted_; }
  /// Releases the source: the request goes on elsewhere.
  void release() noexcept {
    if (source_ && granted_) access::in_use(*source_) = false;
    source_.reset();
  }

 private:
  std::shared_ptr<BodySource> source_;
  bool granted_;
};

/// A source that calls a function for its bytes.
template <class Function>
class PullSource final : public BodySource {
 public:
  PullSource(Function function, std::optional<std::uint64_t> size)
      : function_(std::move(function)), size_(size) {}

  std::optional<Error> rewind() override {
    if (!begun_) return std::nullopt;
    return Error(Errc::invalid_body, "its function has been called before and cannot begin again");
  }
  bool can_rewind() const noexcept override { return !begun_; }
  std::optional<std::uint64_t> size() const override { return size_; }
  std::optional<std::size_t> read_now(asio::mutable_buffer buffer) override {
    if constexpr (waits)
      return std::nullopt;
    else
      return call(buffer);
  }
  asio::awaitable<std::size_t> read(asio::mutable_buffer buffer) override {
    if constexpr (waits)
      co_return co_await call(buffer);
    else
      co_return call(buffer);
  }

 private:
  static constexpr bool waits =
      !std::is_convertible_v<std::invoke_result_t<Function&, std::span<char>>, std::size_t>;

  auto call(asio::mutable_buffer buffer) {
    begun_ = true;
    return function_(std::span<char>(static_cast<char*>(buffer.data()), buffer.size()));
  }

  Function function_;
  const std::optional<std::uint64_t> size_;
  bool begun_ = false;
};

}  // namespace detail

/// A body that a function produces, piece by piece. The function puts bytes into a
/// `std::span<char>` and returns how many, 0 at the end, or an `asio::awaitable` of that. The body
/// can be sent once.
/// @param function the function.
/// @param size the total number of bytes; if nothing, the body is sent in chunks.
template <class Function>
Body pull(Function function, std::optional<std::uint64_t> size = std::nullopt,
          std::string content_type = "application/octet-stream") {
  return Body(std::make_shared<detail::PullSource<Function>>(std::move(function), size),
              std::move(content_type));
}

}  // namespace ferry

#pragma once

/// @file
/// `ConnectionInfo` and `Timings`: how a response was obtained.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <ferry/detail/base/access.hpp>
#include <ferry/detail/base/co_await_safe.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/options.hpp>
#include <ferry/tls_info.hpp>

namespace ferry::inline FERRY_CONFIGURATION {

/// The durations of a call's steps. A step that did not happen has duration zero: a kept connection
/// is not resolved or connected again.
struct Timings {
  Duration queued{};      ///< Waiting for a connection, dialling included.
  Duration resolve{};     ///< Looking up the host's name for the connection opened for this call.
  Duration connect{};     ///< Opening that connection.
  Duration tls{};         ///< The TLS handshake of that connection.
  Duration send{};        ///< From the request's first byte to its last.
  Duration first_byte{};  ///< From the request's last byte to the response's first.
  Duration receive{};     ///< From the response's first byte to its last.
  Duration total{};       ///< The whole call, retries and redirects included.
};
static_assert(detail::co_await_safe<Timings>);

namespace detail {

/// The facts that stay the same over a connection's life.
struct ConnectionFacts {
  std::uint64_t id = 0;
  std::string local_endpoint;
  std::string remote_endpoint;
  std::optional<TlsInfo> tls;
};

}  // namespace detail

/// The connection that carried a response, and how the request got it.
///
/// Lifetime: owns what it hands out. Threads: a value.
class ConnectionInfo {
 public:
  ConnectionInfo() = default;

  bool reused = false;               ///< True if the connection was kept from an earlier request.
  std::uint64_t request_number = 0;  ///< The request's number on this connection, from 1.
  Duration idle_for{};               ///< The time for which the connection was idle before.
  /// The reason why the request was sent once more; empty if it was not. Static text.
  std::string_view retry_reason;

  /// The connection's number, unique in the process.
  std::uint64_t id() const noexcept { return facts_ ? facts_->id : 0; }
  /// `address:port` of this end; empty if it has none.
  std::string_view local_endpoint() const& noexcept {
    return facts_ ? std::string_view(facts_->local_endpoint) : std::string_view();
  }
  /// Deleted: the result would dangle when the temporary is destroyed.
  std::string_view local_endpoint() const&& = delete;
  /// `address:port` of the server's end; empty if it has none.
  std::string_view remote_endpoint() const& noexcept {
    return facts_ ? std::string_view(facts_->remote_endpoint) : std::string_view();
  }
  /// Deleted: the result would dangle when the temporary is destroyed.
  std::string_view remote_endpoint() const&& = delete;

  /// The result of the TLS handshake; null for a connection without TLS. Valid as long as this
  /// object.
  const TlsInfo* tls() const& noexcept { return facts_ && facts_->tls ? &*facts_->tls : nullptr; }
  /// Deleted: the result would dangle when the temporary is destroyed.
  const TlsInfo* tls() const&& = delete;

 private:
  friend struct detail::access;

  std::shared_ptr<const detail::ConnectionFacts> facts_;
};
static_assert(detail::co_await_safe<ConnectionInfo>);

}  // namespace ferry

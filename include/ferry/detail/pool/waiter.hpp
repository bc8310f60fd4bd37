#pragma once

#include <memory>
#include <optional>
#include <system_error>

#include <ferry/connector.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/policy/proxy.hpp>
#include <ferry/detail/time/deadline.hpp>
#include <ferry/detail/time/one_shot_event.hpp>
#include <ferry/error.hpp>

// A request's wait for a connection: the waiter itself, and the phase in which its wait failed.
namespace ferry::inline FERRY_CONFIGURATION::detail {

/// A waiter for a connection, shared by its place in the queue and by the dial on its behalf.
struct PoolWaiter : OneShotEvent {
  DialTarget target;
  const Proxy* proxy = nullptr;  // Owned by the pool.
  Deadline* deadline = nullptr;  // Valid while the ticket is in a queue.

  // The reason why the wait failed, if it did; guarded by the pool's mutex. The code is set alone
  // if no `Error` was given, because the code that sets it must not allocate.
  std::error_code failed;
  std::optional<Error> failure;

  // The next waiter in the list of those to wake.
  std::shared_ptr<PoolWaiter> next_woken;
};

/// The phase of a call in which getting a connection failed with this error.
inline Phase phase_of(const Error& error, const Deadline& deadline) noexcept {
  const auto code = error.code();
  if (code == Errc::host_not_found || code == Errc::resolve_timeout) return Phase::resolve;
  if (code == Errc::connection_refused || code == Errc::connect_failed ||
      code == Errc::connect_timeout)
    return Phase::connect;
  if (code == Errc::proxy_authentication_required || code == Errc::proxy_refused ||
      code == Errc::proxy_failed || code == Errc::proxy_timeout)
    return Phase::proxy;
  if (code == Errc::certificate_rejected || code == Errc::tls_failed || code == Errc::tls_timeout)
    return Phase::tls;
  return deadline.phase();
}

}  // namespace ferry::detail

#pragma once

#include <system_error>

#include <ferry/detail/base/asio.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/error.hpp>

// Two ways in which Asio reports a cancellation: an error code and an exception. The third one, the
// state of the coroutine, is read by `is_cancelled(state)` of `detail/base/asio.hpp`.
namespace ferry::inline FERRY_CONFIGURATION::detail {

/// True for the error of an operation that ended because its coroutine was cancelled. A stream's
/// `Errc::cancelled` is none: it comes from another request, of which the stream may be made.
inline bool is_cancelled(std::error_code error) noexcept {
  return error && error == asio::error::operation_aborted;
}

/// The error for an exception that Asio throws from the next `co_await` of a cancelled coroutine.
/// Call this in a handler of the exception: any other exception is thrown again.
inline Error cancellation_of(const std::system_error& thrown) {
  if (thrown.code() != asio::error::operation_aborted) throw;
  return Error(Errc::cancelled);
}

}  // namespace ferry::detail

#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>

#include <ferry/body.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/http/message.hpp>
#include <ferry/detail/time/deadline.hpp>
#include <ferry/event.hpp>
#include <ferry/options.hpp>

namespace ferry::inline FERRY_CONFIGURATION::detail {

/// The times at which the steps of an exchange were reached; the epoch if they were not.
struct ExchangeTimes {
  bool begun() const noexcept { return begin != Clock::time_point{}; }
  bool has_head() const noexcept { return head != Clock::time_point{}; }

  Clock::time_point begin{};
  Clock::time_point sent{};
  Clock::time_point first_byte{};
  Clock::time_point head{};
  Clock::time_point end{};
};

/// The use of a response's body, which is decided when the response's head has arrived.
struct BodyUse {
  enum class Kind {
    collect,  ///< The message receives the body, as part of the exchange.
    leave,    ///< The exchange ends with the head; `Connection::read_body` reads the body later.
    discard,  ///< The exchange ends with the head; the body is of no use.
  };
  Kind kind = Kind::collect;
  std::uint64_t limit = std::numeric_limits<std::uint64_t>::max();  ///< Maximum size in bytes.
};

/// One request and its response, as a connection sees them.
///
/// The call makes an exchange for each attempt, and the connection writes the progress into it. The
/// connection keeps a reference from `Connection::begin` until `end` or `abandon`.
/// Lifetime: everything given to the constructor outlives the exchange.
class Exchange {
 public:
  /// @param content the request's body.
  /// @param size the body's size in bytes, as the head says it, even if its source now says
  ///   otherwise; nothing if it is not known.
  /// @param kept true if the connection was idle or carried a request before: it may be stale.
  /// @param early the maximum number of bytes that are kept of a body which is not collected, while
  ///   the request is still being sent.
  Exchange(const Body& content, std::optional<std::uint64_t> size, const Timeouts& limits,
           Deadline& over, ResponseMessage& answer, bool kept, std::uint64_t early) noexcept
      : body(content),
        body_size(size),
        timeouts(limits),
        deadline(over),
        message(answer),
        is_kept(kept),
        max_early_body(early) {}
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  /// Called after `request_sent`, `interim_received` and `head_received`.
  virtual void report(Event::Kind kind) = 0;
  /// Called once, when the head of the final response has arrived.
  /// @return the use of the response's body.
  virtual BodyUse on_head() = 0;

  const Body& body;
  const std::optional<std::uint64_t> body_size;
  const Timeouts& timeouts;
  Deadline& deadline;
  ResponseMessage& message;
  const bool is_kept;
  const std::uint64_t max_early_body;

  // The progress, written by the connection.
  ExchangeTimes times;
  std::uint64_t bytes_sent = 0;
  bool response_started = false;  ///< True once a byte of a response has arrived.
  std::size_t unfilled = 0;  ///< Number of bytes at the end of `message.body` that have not come.

 protected:
  ~Exchange() = default;
};

}  // namespace ferry::detail

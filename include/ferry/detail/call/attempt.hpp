#pragma once

#include <optional>
#include <variant>

#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/call/credentials.hpp>
#include <ferry/detail/policy/redirect.hpp>
#include <ferry/detail/protocol/exchange.hpp>
#include <ferry/error.hpp>

namespace ferry::inline FERRY_CONFIGURATION::detail {

class Call;

/// The exchange of a call's attempt.
class CallExchange final : public Exchange {
 public:
  explicit CallExchange(Call& call);
  inline void report(Event::Kind kind) override;
  inline BodyUse on_head() override;

 private:
  Call& call_;
};

/// The same request once more, because the server could not serve it.
struct StatusRetry {
  std::optional<Duration> after;  ///< Delay that the server asks for, if any.
};

/// The request to which the head of an answer leads; an error if it must not be followed.
using FollowUp = std::variant<Error, Redirection, AnsweredChallenge, StatusRetry>;

/// One attempt to send the current request. Each attempt is made anew.
///
///     seeking credentials --> seeking a connection --> exchanging
///
/// 1. The stage is `exchanging` once the lease has this attempt's connection. Before that, on the
///    second attempt, the lease holds the connection on which the first attempt failed.
/// 2. `follow_up` is decided once, at the end of the answer's head.
struct Attempt {
  enum class Stage { seeking_credentials, seeking_connection, exchanging };

  explicit Attempt(int its_number) noexcept : number(its_number), now(Clock::now()) {}

  /// The exchange's times; none if there is no exchange.
  ExchangeTimes times() const noexcept { return exchange ? exchange->times : ExchangeTimes(); }

  const int number;  ///< Number of the attempt at the current request, from 1.
  Clock::time_point now;
  Clock::time_point queued_since{};
  Stage stage = Stage::seeking_credentials;
  std::optional<Error> failure;
  std::optional<FollowUp> follow_up;
  std::optional<CallExchange> exchange;
};

}  // namespace ferry::detail

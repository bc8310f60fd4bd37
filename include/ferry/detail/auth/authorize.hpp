#pragma once

#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include <ferry/authenticator.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/time/cancellation.hpp>
#include <ferry/detail/time/user_coroutine.hpp>
#include <ferry/error.hpp>
#include <ferry/headers.hpp>
#include <ferry/result.hpp>

// Functions that ask an authenticator for credentials and tell it about answers.
namespace ferry::inline FERRY_CONFIGURATION::detail {

/// The history of one request's credentials.
struct ChallengeState {
  int challenges = 0;  ///< Number of refusals, with 401 or 407.
  Headers challenge;   ///< Fields of the last refusal.
  std::string sent;    ///< Credentials that it refused.

  void fill(AuthContext& context) const noexcept {
    context.challenges = challenges;
    context.sent = sent;
    if (challenges > 0) context.challenge = &challenge;
  }
};

/// Asks for credentials, without waiting.
/// @return false if the caller must wait for them with `authorize`.
inline Result<bool> authorize_now(Authenticator& auth, const AuthContext& context,
                                  std::string& authorization) {
  try {
    auto value = auth.authorize_now(context);
    if (!value) return false;
    authorization = std::move(*value);
  } catch (const Error& error) {
    return error;
  }
  if (auto error = check_field("Authorization", authorization)) return *error;
  return true;
}

/// Waits for credentials.
inline asio::awaitable<void> await_credentials(Authenticator& auth, AuthContext context,
                                               std::string& authorization) {
  auto value = co_await auth.authorize(context);
  authorization = std::move(value);
}

/// Asks for credentials and waits for them, within the deadline's limits.
/// @param phase, limit as for `run_limited`.
inline asio::awaitable<std::optional<Error>> authorize(Authenticator& auth, AuthContext context,
                                                       std::string& authorization,
                                                       Deadline& deadline, Phase phase,
                                                       Duration limit) {
  std::optional<Error> failure;
  try {
    auto asking = await_credentials(auth, context, authorization);
    co_await run_limited(std::move(asking), deadline, phase, limit);
    failure = check_field("Authorization", authorization);
  } catch (const Error& error) {
    failure = error;
  } catch (const std::system_error& e) {
    if (!deadline.ended()) failure = cancellation_of(e);
  } catch (...) {
    if (!deadline.ended()) throw;
  }
  if (deadline.ended()) co_return deadline.error();
  co_return failure;
}

/// Tells the authenticator about an answer that is not a refusal.
/// @param auth may be null.
inline void tell_answered(Authenticator* auth, AuthContext context, const std::string& sent,
                          const Headers& response) {
  if (!auth) return;
  context.sent = sent;
  auth->answered(context, response);
}

/// Tells the authenticator about a refusal.
/// @return true if the request must be sent again; `asked` then has the refusal.
inline bool is_challenged(Authenticator& auth, AuthContext context, const Headers& refusal,
                          const std::string& sent, ChallengeState& asked) {
  if (asked.challenges >= Authenticator::max_challenges) return false;
  ++asked.challenges;
  asked.challenge = refusal;
  asked.sent = sent;
  asked.fill(context);
  return auth.challenged(context);
}

}  // namespace ferry::detail

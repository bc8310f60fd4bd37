#pragma once

/// @file
/// Decides whether the server's actions explain the result of a request.

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>

#include <ferry/error.hpp>
#include <ferry/response.hpp>
#include <ferry/result.hpp>

#include "ledger.hpp"
#include "plan.hpp"

namespace soak {

/// The time after which the client should have noticed an answer that was there.
inline constexpr std::chrono::seconds grace{2};

/// One request that has ended for the client.
struct Ending {
  Token token;
  const Errand& errand;
  Entry entry;
  Plan plan;  ///< The plan of the last time that the server saw the request.
  bool cancelled;
  Clock::time_point at;
};

/// The fault of a response, or nothing.
inline std::optional<std::string> fault_of(const ferry::Response& response, const Ending& ending) {
  const Plan& plan = ending.plan;
  if (ending.entry.read == 0) return "answered, but the server never read it";
  if (response.headers().get("Token") != to_string(ending.token)) {
    return "got the response of " + std::string{response.headers().get("Token").value_or("nobody")};
  }
  // Two lengths frame nothing where there is no body (RFC 9112 6.3).
  const bool harmless = plan.act == Act::ambiguous && ending.errand.verb == Verb::head;
  if (!facts_of(plan.act).answers && !harmless)
    return "taken for answered: " + std::string{facts_of(plan.act).name};
  if (response.status() != plan.status) return "got status " + std::to_string(response.status());
  const std::size_t size = ending.errand.verb == Verb::head ? 0 : plan.size;
  if (response.body() != pattern(ending.token, response_body, size))
    return "got the wrong body: " + std::to_string(response.body().size()) + " bytes for " +
           std::to_string(size);
  return std::nullopt;
}

/// True if time limits that were set, or a silent server, explain this error.
inline bool is_expected_timeout(ferry::Errc code, const Ending& ending) {
  const Errand& errand = ending.errand;
  switch (code) {
    case ferry::Errc::total_timeout: return errand.total.has_value();
    case ferry::Errc::pool_timeout: return errand.pool.has_value();
    case ferry::Errc::first_byte_timeout:
      return errand.first_byte || (ending.entry.seen > 0 && ending.plan.act == Act::no_answer);
    default: return false;
  }
}

/// The fault of a failure, or nothing: the server or the worker must have given a reason for it.
inline std::optional<std::string> fault_of(const ferry::Error& error, const Ending& ending) {
  const auto code = static_cast<ferry::Errc>(error.code().value());
  const ActFacts& act = facts_of(ending.plan.act);
  const bool own_doing =
      (code == ferry::Errc::cancelled && ending.cancelled) || is_expected_timeout(code, ending);
  if (own_doing) {
    const bool answered = ending.entry.answered != Clock::time_point{};
    if (answered && ending.at - ending.entry.answered > grace)
      return "answered long before it failed: " + std::string{error.what()};
    return std::nullopt;
  }
  // The server may close a kept connection before it reads anything.
  const bool unseen = ending.entry.seen == 0;
  if (unseen && code == ferry::Errc::connection_lost && error.reused()) return std::nullopt;
  const bool explained = !unseen && std::count(act.errors.begin(), act.errors.end(), code) > 0;
  if (explained) return std::nullopt;
  return std::string{error.what()} + "; seen " + std::to_string(ending.entry.seen) +
         " times, the last time: " + act.name;
}

}  // namespace soak

#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ferry/detail/base/ascii.hpp>
#include <ferry/detail/base/co_await_safe.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/base/quoted_string.hpp>
#include <ferry/headers.hpp>

// A parser for challenges: WWW-Authenticate and Proxy-Authenticate (RFC 9110 11.6.1).
namespace ferry::inline FERRY_CONFIGURATION::detail {

/// A challenge: a scheme and its parameters. Credentials have the same form.
class Challenge {
 public:
  Challenge() = default;

  std::string scheme;  ///< The scheme as written.
  std::string token68;
  /// Parameters in order: the name in lower case, and the value without quotes and escapes. Each
  /// name occurs once. A value may hold any byte that a field may.
  std::vector<std::pair<std::string, std::string>> params;

  bool is(std::string_view name) const noexcept { return iequals(scheme, name); }
  /// The value of this parameter, whose name is in lower case; valid until `params` changes.
  std::optional<std::string_view> param(std::string_view name) const noexcept {
    for (const auto& [key, value] : params)
      if (key == name) return value;
    return std::nullopt;
  }

  friend bool operator==(const Challenge&, const Challenge&) = default;
};
static_assert(co_await_safe<Challenge>);

/// Parses a field of challenges in one pass. Any input is accepted: malformed text is skipped up to
/// the next comma, and the number of results is limited.
///
/// Schemes and parameters are separated by the same commas. A word before `=` is a parameter, any
/// other word a scheme; `=` at the very end is the padding of a token68.
class ChallengeParser {
 public:
  static constexpr std::size_t most_challenges = 32;
  static constexpr std::size_t most_params = 32;  ///< Per challenge.

  explicit ChallengeParser(std::string_view text) noexcept : rest_(text) {}

  /// Appends the challenges. A parameter without a scheme before it belongs to the last existing
  /// challenge: the lines of a field are one list (RFC 9110 5.3).
  void read(std::vector<Challenge>& challenges) {
    while (next_element()) {
      const auto word = take(end_of_token());
      if (word.empty()) {
        skip_junk();
        continue;
      }
      const bool has_space = skip_space();
      if (rest_.starts_with('=')) {
        const auto value = take_value();
        if (!challenges.empty()) add(challenges.back(), word, value);
        continue;
      }
      if (challenges.size() >= most_challenges) return;
      challenges.emplace_back().scheme = word;
      if (has_space) challenges.back().token68 = take_token68();
    }
  }

  /// Adds the parameters of a field that has only parameters (`Authentication-Info`).
  void read_params(Challenge& challenge) {
    while (next_element()) {
      const auto word = take(end_of_token());
      skip_space();
      if (!word.empty() && rest_.starts_with('='))
        add(challenge, word, take_value());
      else
        skip_junk();
    }
  }

 private:
  static void add(Challenge& challenge, std::string_view word, std::string value) {
    std::string name(word);
    std::transform(name.begin(), name.end(), name.begin(), to_lower);
    if (challenge.params.size() < most_params && !challenge.param(name))
      challenge.params.emplace_back(std::move(name), std::move(value));
  }

  /// Goes to the next element; the list may have empty ones (RFC 9110 5.6.1.2). False at the end.
  bool next_element() noexcept {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t,"), rest_.size()));
    return !rest_.empty();
  }

  /// The value after `=`: a quoted string, or all text up to a space or comma.
  std::string take_value() {
    rest_.remove_prefix(1);
    skip_space();
    if (rest_.starts_with('"')) return take_quoted_string(rest_);
    return std::string(take(std::min(rest_.find_first_of(" \t,"), rest_.size())));
  }

  /// The `token68` of RFC 9110 11.2, if it fills the whole element; else empty.
  std::string_view take_token68() noexcept {
    std::size_t end = 0;
    while (end < rest_.size() && is_token68_char(rest_[end])) ++end;
    if (end == 0) return {};
    while (end < rest_.size() && rest_[end] == '=') ++end;
    const auto behind = rest_.find_first_not_of(" \t", end);
    if (behind != rest_.npos && rest_[behind] != ',') return {};
    return take(end);
  }
  static constexpr bool is_token68_char(char c) noexcept {
    return is_digit(c) || is_alpha(c) ||
           std::string_view("-._~+/").find(c) != std::string_view::npos;
  }

  void skip_junk() {
    while (!rest_.empty() && rest_.front() != ',') {
      if (rest_.front() == '"')
        take_quoted_string(rest_);
      else
        rest_.remove_prefix(1);
    }
  }

  std::size_t end_of_token() const noexcept {
    std::size_t end = 0;
    while (end < rest_.size() && is_token_char(rest_[end])) ++end;
    return end;
  }
  std::string_view take(std::size_t size) noexcept {
    const auto taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }
  bool skip_space() noexcept {
    const auto before = rest_.size();
    rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t"), rest_.size()));
    return rest_.size() != before;
  }

  std::string_view rest_;
};

/// All challenges of a response, in order.
/// @param field `WWW-Authenticate` or `Proxy-Authenticate`.
inline std::vector<Challenge> challenges(const Headers& response, std::string_view field) {
  std::vector<Challenge> found;
  for (const auto [name, value] : response)
    if (iequals(name, field)) ChallengeParser(value).read(found);
  return found;
}

}  // namespace ferry::detail

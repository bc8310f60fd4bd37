#pragma once

/// @file
/// The properties of each request of the soak, and the server's actions on it. Both are computed
/// from the seed and the request's token alone, so client and server can each compute the other's
/// actions.

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include <ferry/error.hpp>

namespace soak {

using std::chrono::milliseconds;

/// Names one request: the worker, and the request's number within that worker, from 1.
struct Token {
  std::uint32_t worker = 0;
  std::uint32_t serial = 0;

  friend bool operator==(Token, Token) = default;
  std::uint64_t key() const noexcept { return std::uint64_t{worker} << 32 | serial; }
};

/// The token as 16 hexadecimal digits.
inline std::string to_string(Token token) {
  std::string text(16, '0');
  char digits[16];
  const char* end = std::to_chars(digits, digits + sizeof digits, token.key(), 16).ptr;
  std::memcpy(&text[16 - static_cast<std::size_t>(end - digits)], digits,
              static_cast<std::size_t>(end - digits));
  return text;
}

inline std::optional<Token> parse_token(std::string_view text) {
  std::uint64_t key = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), key, 16);
  if (text.size() != 16 || error != std::errc{} || end != text.data() + 16) return std::nullopt;
  return Token{static_cast<std::uint32_t>(key >> 32), static_cast<std::uint32_t>(key)};
}

/// Scrambles a number (splitmix64).
constexpr std::uint64_t mix(std::uint64_t value) noexcept {
  value += 0x9e3779b97f4a7c15;
  value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9;
  value = (value ^ value >> 27) * 0x94d049bb133111eb;
  return value ^ value >> 31;
}

/// Random numbers that depend only on the seed, a subject and a purpose.
class Dice {
 public:
  Dice(std::uint64_t seed, std::uint64_t subject, std::uint64_t purpose)
      : state_{mix(seed ^ mix(subject ^ mix(purpose)))} {}

  std::uint64_t next() noexcept { return state_ = mix(state_); }
  /// A number from 0 up to, but not including, `end`, which is not 0.
  std::size_t below(std::size_t end) noexcept { return static_cast<std::size_t>(next() % end); }
  bool one_in(std::size_t n) noexcept { return below(n) == 0; }
  milliseconds up_to(milliseconds most) noexcept {
    return milliseconds(below(static_cast<std::size_t>(most.count()) + 1));
  }

 private:
  std::uint64_t state_;
};

/// The purpose of dice: the same subject has different dice for each purpose.
enum Purpose : std::uint64_t {
  errand_dice,
  connection_dice,
  request_body,
  response_body,
  plan_dice
};

/// The size of a body: most are small, some need many reads and writes.
inline std::size_t body_size(Dice& dice) {
  if (dice.one_in(10)) return 0;
  if (dice.one_in(300)) return dice.below(512 * 1024);
  return dice.below(dice.one_in(20) ? 64 * 1024 : 4 * 1024);
}

/// The bytes of a request's body; no other body has the same.
inline std::string pattern(Token token, Purpose purpose, std::size_t size) {
  const std::uint64_t start = mix(token.key() ^ mix(purpose));
  std::string bytes(size, '\0');
  for (std::size_t at = 0; at < size; at += 8) {
    const std::uint64_t word = mix(start + at);
    std::memcpy(&bytes[at], &word, std::min<std::size_t>(8, size - at));
  }
  return bytes;
}

// ---- the client's requests ----

enum class Verb : std::uint8_t { get, head, post, keyed_post };

/// The number of times that the server may read a request of this kind: a lost request is sent once
/// more if that is safe.
constexpr int most_reads(Verb verb) noexcept { return verb == Verb::post ? 1 : 2; }

/// One request of a worker.
struct Errand {
  Verb verb = Verb::get;
  std::size_t upload = 0;  ///< Bytes of the request's body.
  std::size_t origin = 0;  ///< The index of the server's origin.
  std::optional<milliseconds> total;
  std::optional<milliseconds> pool;
  std::optional<milliseconds> first_byte;
  std::optional<milliseconds> cancel_after;
};

constexpr std::size_t origins = 2;

inline Errand errand_of(std::uint64_t seed, Token token) {
  Dice dice{seed, token.key(), errand_dice};
  Errand errand;
  const std::size_t verb = dice.below(100);
  errand.verb = verb < 45   ? Verb::get
                : verb < 60 ? Verb::head
                : verb < 85 ? Verb::post
                            : Verb::keyed_post;
  const std::size_t upload = body_size(dice);
  if (errand.verb == Verb::post || errand.verb == Verb::keyed_post) errand.upload = upload;
  // These are few, because a full pool must close a connection of the other origin for each.
  if (dice.one_in(200)) errand.origin = 1;
  if (dice.one_in(25)) errand.total = dice.up_to(milliseconds(2000));
  if (dice.one_in(100)) errand.pool = dice.up_to(milliseconds(2000));
  if (dice.one_in(50)) errand.first_byte = dice.up_to(milliseconds(500));
  if (dice.one_in(25)) errand.cancel_after = dice.up_to(milliseconds(2000));
  return errand;
}

// ---- the server's actions ----

enum class Act : std::uint8_t {
  length,
  chunked,
  interim,
  no_content,
  until_close,
  http_1_0,
  close_announced,
  close_silent,
  surplus,
  slow,
  no_answer,
  close_unanswered,
  reset_unanswered,
  reset_part_read,
  cut_head,
  cut_by_fin,
  cut_by_reset,
  garbage,
  bad_chunk,
  ambiguous,
};

/// The properties of an act.
struct ActFacts {
  const char* name;
  unsigned weight;     ///< The weight in 10,000; the first act gets the rest.
  bool answers;        ///< True if the client must get this answer, and may fail only through its
                       ///< own actions.
  bool needs_content;  ///< True if the act needs a response that has a body.
  /// Errors by which the client may report the act; unused places repeat one.
  std::array<ferry::Errc, 3> errors;
};

/// The properties of all acts, indexed by `Act`.
inline constexpr auto acts = [] {
  using enum ferry::Errc;
  constexpr ferry::Errc none{};
  constexpr std::array never{none, none, none};
  constexpr std::array lost{connection_lost, connection_lost, connection_lost};
  return std::array{
      ActFacts{"answer with Content-Length", 0, true, false, never},
      ActFacts{"chunked answer", 1500, true, false, never},
      ActFacts{"interim answers first", 500, true, false, never},
      ActFacts{"204 without content", 200, true, false, never},
      ActFacts{"answer that ends with the connection", 200, true, false, never},
      ActFacts{"answer of HTTP/1.0", 200, true, false, never},
      ActFacts{"answer that announces closing", 200, true, false, never},
      ActFacts{"answer, then closing unannounced", 200, true, false, never},
      ActFacts{"answer, and a second one unasked", 150, true, false, never},
      ActFacts{"slow answer", 150, true, false, never},
      ActFacts{"no answer at all", 5, false, false, never},
      ActFacts{"close instead of an answer", 100, false, false, lost},
      ActFacts{"reset instead of an answer", 100, false, false, lost},
      ActFacts{"reset inside the request", 100, false, false, lost},
      ActFacts{
          "head cut short", 50, false, false, {truncated_head, truncated_head, truncated_head}},
      ActFacts{"body cut short by closing",
               100,
               false,
               true,
               {truncated_body, truncated_body, truncated_body}},
      // The network decides how much of the body arrives before the reset.
      ActFacts{"body cut short by reset",
               100,
               false,
               true,
               {truncated_body, truncated_head, connection_lost}},
      ActFacts{"garbage for a head",
               50,
               false,
               false,
               {malformed_response, malformed_response, malformed_response}},
      ActFacts{"malformed chunk",
               50,
               false,
               true,
               {malformed_response, malformed_response, malformed_response}},
      ActFacts{"two lengths",
               50,
               false,
               false,
               {ambiguous_framing, ambiguous_framing, ambiguous_framing}},
  };
}();
static_assert(acts.size() == static_cast<std::size_t>(Act::ambiguous) + 1);

constexpr const ActFacts& facts_of(Act act) noexcept { return acts[static_cast<std::size_t>(act)]; }

/// The server's action on a request.
struct Plan {
  Act act = Act::length;
  std::size_t size = 0;  ///< Bytes of the response's body, whether sent or not.
  int status = 200;
};

inline Act drawn_act(Dice& dice) {
  std::size_t left = dice.below(10'000);
  for (std::size_t i = 1; i < acts.size(); ++i) {
    if (left < acts[i].weight) return static_cast<Act>(i);
    left -= acts[i].weight;
  }
  return Act::length;
}

/// @param nth the number of times that the server has seen this request, this one included.
inline Plan plan_of(std::uint64_t seed, Token token, Verb verb, int nth) {
  Dice dice{seed, token.key(), plan_dice + static_cast<std::uint64_t>(nth)};
  Plan plan;
  plan.act = drawn_act(dice);
  plan.size = body_size(dice);
  if (facts_of(plan.act).needs_content) {
    if (verb == Verb::head) plan.act = Act::length;
    plan.size += 16;
  }
  // The size is limited so that the surplus arrives together with the answer. No client can tell
  // later surplus from the answer to the next request: HTTP/1.1 has no identifiers.
  if (plan.act == Act::surplus) plan.size = dice.below(16 * 1024);
  if (plan.act == Act::no_content) {
    plan.size = 0;
    plan.status = 204;
  }
  return plan;
}

}  // namespace soak

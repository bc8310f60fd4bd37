#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <limits>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ferry/authenticator.hpp>
#include <ferry/detail/auth/digest_challenge.hpp>
#include <ferry/detail/base/co_await_safe.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/base/percent.hpp>
#include <ferry/detail/base/quoted_string.hpp>
#include <ferry/detail/base/utf8.hpp>
#include <ferry/detail/policy/challenge.hpp>
#include <ferry/headers.hpp>
#include <ferry/url.hpp>

namespace ferry::inline FERRY_CONFIGURATION::detail {

/// Digest authentication (RFC 7616).
///
/// The authenticator remembers the nonce of each protection space (an origin and a realm) and
/// counts its uses, so only the first request to a space needs to be sent twice.
class DigestAuthenticator final : public Authenticator {
 public:
  /// @param make_cnonce makes client nonces; tests replace it to get known results.
  DigestAuthenticator(std::string user, std::string password,
                      std::function<std::string()> make_cnonce = random_cnonce)
      : user_(std::move(user)),
        password_(std::move(password)),
        make_cnonce_(std::move(make_cnonce)) {}

  std::optional<std::string> authorize_now(const AuthContext& context) override {
    std::optional<NonceUse> use;
    if (!context.challenge)
      use = use_known(context);
    else if (auto challenge = choose_digest_challenge(*context.challenge, context.proxy))
      use = use_new(context, std::move(*challenge));
    return use ? credentials(*use, context) : std::string();
  }

  bool challenged(const AuthContext& context) override {
    if (!context.challenge) return false;
    const auto challenge = choose_digest_challenge(*context.challenge, context.proxy);
    if (!challenge) return false;
    const Challenge sent = read_sent(context);
    if (!sent.is("Digest")) return true;
    // The credentials were for another protection space of the same server.
    if (sent.param("realm") != challenge->realm) return true;
    // The same nonce would be refused again. A different one is worth a try in two cases: only the
    // age of the sent nonce was wrong, or the sent nonce was remembered from an earlier request,
    // and the server may have forgotten it.
    if (sent.param("nonce") != challenge->nonce && (challenge->stale || context.challenges <= 1))
      return true;
    forget(context, sent);
    return false;
  }

  void answered(const AuthContext& context, const Headers& response) override {
    const Challenge sent = read_sent(context);
    if (auto challenge = choose_digest_challenge(response, context.proxy)) {
      // The challenge is for a request that cannot be sent again. Remembering it saves the next
      // request to this server a challenge or a stale nonce. It is not remembered if user or
      // password are wrong: see `challenged`.
      if (!context.sent.empty() && !challenge->stale && context.challenges > 0) return;
      const std::string hash = hash_of_user(*challenge);
      const std::lock_guard lock(mutex_);
      const Space* const space = find(context, challenge->realm);
      if (!space || sent.param("nonce") == space->challenge.nonce)
        remember(context, std::move(*challenge), hash);
      return;
    }
    if (context.sent.empty()) return;
    const auto field =
        response.get(context.proxy ? "Proxy-Authentication-Info" : "Authentication-Info");
    if (!field) return;
    Challenge info;
    ChallengeParser(*field).read_params(info);
    const auto next = info.param("nextnonce");
    if (!next || next->empty() || check_field("Authorization", *next)) return;
    const std::lock_guard lock(mutex_);
    Space* const space = find(context, sent.param("realm").value_or(std::string_view()));
    // The new nonce is used only if it succeeds the one that is still in use. It is not used for a
    // session: servers disagree on whether the session's key has the first nonce or the newest in
    // it, and send a challenge when they want the nonce changed.
    if (!space || space->challenge.algorithm->session ||
        sent.param("nonce") != space->challenge.nonce)
      return;
    if (space->challenge.nonce == *next) return;
    space->challenge.nonce = *next;
    space->count = 0;
  }

 private:
  /// A protection space, where the same credentials hold (RFC 9110 11.5), and its nonce.
  class Space {
   public:
    Space() = default;

    std::string origin;
    bool proxy = false;
    std::vector<std::string> paths;  ///< Path prefixes that the space covers; empty: all paths.
    DigestChallenge challenge;
    std::string hash;         ///< The hash of user, realm and password; for a session, its key.
    std::string cnonce;       ///< The cnonce of a session.
    std::uint32_t count = 0;  ///< Number of uses of the nonce.
  };
  /// One use of a nonce.
  class NonceUse {
   public:
    explicit NonceUse(Space& space)
        : challenge(space.challenge),
          hash(space.hash),
          cnonce(space.cnonce),
          count(++space.count) {}

    DigestChallenge challenge;
    std::string hash;
    std::string cnonce;
    std::uint32_t count;
  };
  static_assert(co_await_safe<Space> && co_await_safe<NonceUse>);

  static constexpr std::size_t most_spaces = 64;
  static constexpr std::size_t most_paths = 32;

  /// The Digest credentials that were sent; they have the form of a challenge (RFC 9110 11.4).
  static Challenge read_sent(const AuthContext& context) {
    std::vector<Challenge> sent;
    ChallengeParser(context.sent).read(sent);
    return sent.empty() ? Challenge() : std::move(sent.front());
  }

  /// Uses the space that is already known for this request, before any challenge.
  std::optional<NonceUse> use_known(const AuthContext& context) {
    const std::lock_guard lock(mutex_);
    Space* best = nullptr;
    std::size_t longest = 0;
    for (Space& space : spaces_) {  // The newest space is the last.
      if (!is_of(space, context)) continue;
      const auto length = coverage(space, context.url.path());
      if (!length || (best && *length < longest)) continue;
      best = &space;
      longest = *length;
    }
    if (!best || best->count == std::numeric_limits<std::uint32_t>::max()) return std::nullopt;
    return NonceUse(*best);
  }

  /// Uses the nonce of a challenge. It is new to this request; if a server gives every request the
  /// same nonce, the count goes on.
  std::optional<NonceUse> use_new(const AuthContext& context, DigestChallenge challenge) {
    const std::string hash = hash_of_user(challenge);
    const std::lock_guard lock(mutex_);
    Space* space = find(context, challenge.realm);
    if (!space || space->challenge.nonce != challenge.nonce ||
        space->challenge.algorithm != challenge.algorithm ||
        space->count == std::numeric_limits<std::uint32_t>::max())
      space = &remember(context, std::move(challenge), hash);
    return NonceUse(*space);
  }

  // The functions below are called with the mutex held.

  static bool is_of(const Space& space, const AuthContext& context) noexcept {
    return space.proxy == context.proxy && space.origin == context.url.origin();
  }

  Space* find(const AuthContext& context, std::string_view realm) noexcept {
    for (Space& space : spaces_)
      if (is_of(space, context) && space.challenge.realm == realm) return &space;
    return nullptr;
  }

  Space& remember(const AuthContext& context, DigestChallenge challenge, const std::string& hash) {
    std::erase_if(spaces_, [&](const Space& space) {
      return is_of(space, context) && space.challenge.realm == challenge.realm;
    });
    if (spaces_.size() >= most_spaces) spaces_.erase(spaces_.begin());
    Space space;
    space.origin = context.url.origin();
    space.proxy = context.proxy;
    space.hash = hash;
    if (challenge.algorithm->session) {
      // A session uses one cnonce throughout. This suits servers that hash the first cnonce, as RFC
      // 7616 3.4.2 says, and servers that hash the cnonce of each request.
      space.cnonce = make_cnonce_();
      space.hash =
          digest_hash(*challenge.algorithm, hash + ":" + challenge.nonce + ":" + space.cnonce);
    }
    if (!context.proxy) space.paths = paths_of(context.url, challenge.domain);
    space.challenge = std::move(challenge);
    spaces_.push_back(std::move(space));
    return spaces_.back();
  }

  void forget(const AuthContext& context, const Challenge& sent) {
    const std::lock_guard lock(mutex_);
    std::erase_if(spaces_, [&](const Space& space) {
      return is_of(space, context) && sent.param("nonce") == space.challenge.nonce;
    });
  }

  /// The paths of a `domain` that are on this server; `domain` is a list of references with spaces
  /// between. Paths on other servers are left out: a server must not decide who else gets a
  /// password's hash.
  static std::vector<std::string> paths_of(const Url& url, std::string_view domain) {
    std::vector<std::string> paths;
    constexpr std::string_view space = " \t";
    while (!domain.empty() && paths.size() < most_paths) {
      const auto end = std::min(domain.find_first_of(space), domain.size());
      if (end > 0) {
        const auto resolved = url.resolve(domain.substr(0, end));
        if (resolved && resolved->origin() == url.origin()) paths.emplace_back(resolved->path());
      }
      domain.remove_prefix(std::min(end + 1, domain.size()));
    }
    return paths;
  }

  /// The length of the path prefix that puts this path into the space; nothing if the path is not
  /// in it.
  static std::optional<std::size_t> coverage(const Space& space, std::string_view path) noexcept {
    if (space.paths.empty()) return 0;
    std::optional<std::size_t> longest;
    for (const std::string& prefix : space.paths)
      if (path.starts_with(prefix)) longest = std::max(longest.value_or(0), prefix.size());
    return longest;
  }

  std::string hash_of_user(const DigestChallenge& challenge) const {
    return digest_hash(*challenge.algorithm, user_ + ":" + challenge.realm + ":" + password_);
  }

  /// Appends a parameter of credentials with a quoted value, and a comma.
  static void append_param(std::string& out, std::string_view name, std::string_view text) {
    out += name;
    out += '=';
    append_quoted(out, text);
    out += ", ";
  }

  /// Appends the user's name, in the form that the challenge asks for.
  void append_user(std::string& out, const DigestChallenge& challenge) const {
    const bool is_ascii = std::all_of(user_.begin(), user_.end(),
                                      [](char c) { return static_cast<unsigned char>(c) < 0x80; });
    if (challenge.hides_user) {
      append_param(out, "username",
                   digest_hash(*challenge.algorithm, user_ + ":" + challenge.realm));
    } else if (challenge.utf8 && !is_ascii && find_invalid_utf8(user_) == user_.size()) {
      out += "username*=UTF-8''";  // RFC 8187.
      append_component(out, user_);
      out += ", ";
    } else {
      append_param(out, "username", user_);
    }
  }

  /// The field's value (RFC 7616 3.4).
  std::string credentials(const NonceUse& use, const AuthContext& context) const {
    const DigestChallenge& challenge = use.challenge;
    const DigestAlgorithm& algorithm = *challenge.algorithm;
    const std::string target(context.target);
    const std::string what = digest_hash(algorithm, std::string(context.method) + ":" + target);
    std::string cnonce;
    char count[9] = "";
    std::string response = use.hash + ":" + challenge.nonce + ":";
    if (challenge.has_qop) {
      cnonce = algorithm.session ? use.cnonce : make_cnonce_();
      std::snprintf(count, sizeof count, "%08x", static_cast<unsigned>(use.count));
      response.append(count).append(":").append(cnonce).append(":auth:");
    }
    response = digest_hash(algorithm, response + what);

    std::string value = "Digest ";
    append_user(value, challenge);
    append_param(value, "realm", challenge.realm);
    append_param(value, "uri", target);
    if (challenge.names_algorithm) value.append("algorithm=").append(algorithm.name).append(", ");
    append_param(value, "nonce", challenge.nonce);
    if (challenge.has_qop) {
      value.append("nc=").append(count).append(", ");
      append_param(value, "cnonce", cnonce);
      value += "qop=auth, ";
    }
    append_param(value, "response", response);
    if (challenge.has_opaque) append_param(value, "opaque", challenge.opaque);
    if (challenge.hides_user) value += "userhash=true, ";
    value.resize(value.size() - 2);
    return value;
  }

  const std::string user_;
  const std::string password_;
  const std::function<std::string()> make_cnonce_;

  std::mutex mutex_;
  std::vector<Space> spaces_;  // One for each origin and realm; the newest is the last.
};

}  // namespace ferry::detail

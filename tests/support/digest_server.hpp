#pragma once

#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <ferry/detail/policy/challenge.hpp>
#include <ferry/digest.hpp>

#include "support/authorize.hpp"

namespace test {

/// Checks digest credentials strictly: each use of a nonce must have a new count.
///
/// Threads: safe to use from several threads at once.
class DigestServer {
 public:
  struct Answer {
    int status = 0;
    ferry::Headers headers;
  };

  explicit DigestServer(std::string password = "secret", std::string algorithm = "SHA-256")
      : password_(std::move(password)), algorithm_(std::move(algorithm)) {}

  int uses = 1'000'000;    ///< The number of uses after which a nonce is stale.
  bool says_stale = true;  ///< Send `stale=true` for a stale nonce; if false, such a challenge
                           ///< looks like any other.
  bool says_next = false;  ///< Send `Authentication-Info: nextnonce=...`.
  bool one_nonce = false;  ///< Give every request the same nonce.
  std::string realm = "r";
  std::string extra;  ///< Further parameters of the challenge.
  bool proxy = false;

  Answer answer(std::string_view method, std::string_view target, const std::string& credentials) {
    const std::lock_guard lock(mutex_);
    ++requests_;
    std::vector<ferry::detail::Challenge> list;
    ferry::detail::ChallengeParser(credentials).read(list);
    Answer answer;
    if (list.empty()) return refuse(false);
    const auto& sent = list.front();
    const auto param = [&](std::string_view name) {
      return std::string(sent.param(name).value_or(std::string_view()));
    };
    const std::string nonce = param("nonce");
    const std::string count = param("nc");
    const ferry::detail::DigestAlgorithm* algorithm = nullptr;
    for (const auto& known : ferry::detail::digest_algorithms)
      if (known.name == algorithm_) algorithm = &known;
    const auto hash = [&](const std::string& text) {
      return ferry::detail::digest_hash(*algorithm, text);
    };
    std::string key = hash("user:" + realm + ":" + password_);
    if (algorithm->session) key = hash(key + ":" + nonce + ":" + param("cnonce"));
    const std::string right =
        hash(key + ":" + nonce + ":" + count + ":" + param("cnonce") +
             ":auth:" + hash(std::string(method) + ":" + std::string(target)));
    if (param("response") != right || param("uri") != target || param("realm") != realm ||
        param("opaque") != "o\"p")
      return refuse(false);
    const auto known = used_.find(nonce);
    if (known == used_.end() || static_cast<int>(known->second.size()) >= uses) return refuse(true);
    if (!known->second.emplace(count, true).second) {
      ++replays_;
      return refuse(true);
    }
    answer.status = 200;
    if (says_next)
      answer.headers.add(proxy ? "Proxy-Authentication-Info" : "Authentication-Info",
                         "qop=auth, nextnonce=\"" + new_nonce() + "\"");
    return answer;
  }

  /// Forgets all nonces, like a server that is restarted.
  void restart() {
    const std::lock_guard lock(mutex_);
    used_.clear();
  }
  int requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }
  /// The number of requests that repeated a nonce's count.
  int replays() const {
    const std::lock_guard lock(mutex_);
    return replays_;
  }

 private:
  std::string new_nonce() {
    std::string nonce = one_nonce ? "n" : "n" + std::to_string(++nonces_);
    used_.try_emplace(nonce);
    return nonce;
  }
  Answer refuse(bool stale) {
    Answer answer;
    answer.status = proxy ? 407 : 401;
    std::string challenge = "Digest realm=\"" + realm + "\", qop=\"auth\", opaque=\"o\\\"p\"" +
                            ", algorithm=" + algorithm_ + ", nonce=\"" + new_nonce() + '"' + extra;
    if (stale && says_stale) challenge += ", stale=true";
    answer.headers.add(proxy ? "Proxy-Authenticate" : "WWW-Authenticate", challenge);
    return answer;
  }

  const std::string password_;
  const std::string algorithm_;
  mutable std::mutex mutex_;
  std::map<std::string, std::map<std::string, bool>> used_;
  int nonces_ = 0;
  int requests_ = 0;
  int replays_ = 0;
};

/// Sends a request as the client does. @return the status that the caller would get.
inline int send(ferry::Authenticator& auth, DigestServer& server,
                std::string url = "http://h/a?b=c", bool can_send_again = true) {
  const ferry::Url parsed = ferry::Url::parse(std::move(url)).value();
  ferry::AuthContext context{.method = "GET", .url = parsed, .target = parsed.target()};
  context.proxy = server.proxy;
  DigestServer::Answer answer;
  ferry::Headers refusal;
  std::string sent;
  for (;;) {
    sent = authorize(auth, context);
    answer = server.answer(context.method, context.target, sent);
    context.sent = sent;
    if (answer.status == 200 || !can_send_again ||
        context.challenges >= ferry::Authenticator::max_challenges)
      break;
    ferry::AuthContext asked = context;
    asked.challenge = &answer.headers;
    ++asked.challenges;
    if (!auth.challenged(asked)) break;
    refusal = std::move(answer.headers);
    context.challenge = &refusal;
    ++context.challenges;
  }
  auth.answered(context, answer.headers);
  return answer.status;
}

}  // namespace test

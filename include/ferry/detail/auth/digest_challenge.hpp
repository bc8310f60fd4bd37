#pragma once

#include <array>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <ferry/detail/base/ascii.hpp>
#include <ferry/detail/base/base64.hpp>
#include <ferry/detail/base/co_await_safe.hpp>
#include <ferry/detail/base/configuration.hpp>
#include <ferry/detail/policy/challenge.hpp>
#include <ferry/error.hpp>
#include <ferry/headers.hpp>

// Challenges of Digest authentication, and OpenSSL's hashes for them.
namespace ferry::inline FERRY_CONFIGURATION::detail {

/// A hash algorithm that a challenge can ask for (RFC 7616 3.3 and 6.1).
struct DigestAlgorithm {
  std::string_view name;
  const EVP_MD* (*function)();
  int strength;
  bool session;  ///< True for `-sess`: the password is hashed together with the nonces, once for
                 ///< each nonce.
};
static_assert(co_await_safe<DigestAlgorithm>);

/// The hash algorithms that this client knows.
inline constexpr std::array<DigestAlgorithm, 6> digest_algorithms{{
    {"MD5", EVP_md5, 1, false},
    {"MD5-sess", EVP_md5, 1, true},
    {"SHA-256", EVP_sha256, 2, false},
    {"SHA-256-sess", EVP_sha256, 2, true},
    {"SHA-512-256", EVP_sha512_256, 2, false},
    {"SHA-512-256-sess", EVP_sha512_256, 2, true},
}};

/// The hash of a text in hexadecimal digits; empty if OpenSSL does not provide the hash (MD5, under
/// FIPS).
inline std::string digest_hash(const DigestAlgorithm& algorithm, std::string_view text) {
  unsigned char hash[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (EVP_Digest(text.data(), text.size(), hash, &size, algorithm.function(), nullptr) != 1)
    return {};
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  for (unsigned i = 0; i < size; ++i) {
    out += digits[hash[i] >> 4];
    out += digits[hash[i] & 15];
  }
  return out;
}

/// A random client nonce of 192 bits.
inline std::string random_cnonce() {
  unsigned char bytes[24];
  if (RAND_bytes(bytes, sizeof bytes) != 1)
    throw Error(Errc::invalid_option, "digest(): OpenSSL has no random bytes to give");
  return base64({reinterpret_cast<const char*>(bytes), sizeof bytes});
}

/// A challenge that this client can answer.
class DigestChallenge {
 public:
  DigestChallenge() = default;

  const DigestAlgorithm* algorithm = nullptr;
  bool names_algorithm = false;
  bool has_qop = false;
  bool has_opaque = false;
  bool hides_user = false;  ///< `userhash`: the user's name is sent as a hash.
  bool utf8 = false;
  bool stale = false;
  std::string realm;
  std::string nonce;
  std::string opaque;
  std::string domain;
};
static_assert(co_await_safe<DigestChallenge>);

/// Reads a challenge, if this client can answer it: its hash must be known here, and its `qop` must
/// be `auth` or, as before RFC 2617, missing. `auth-int` would need the hash of a body that has not
/// been read yet.
inline std::optional<DigestChallenge> read_digest_challenge(const Challenge& challenge) {
  if (!challenge.is("Digest")) return std::nullopt;
  DigestChallenge read;
  const auto name = challenge.param("algorithm");
  read.names_algorithm = name.has_value();
  for (const DigestAlgorithm& algorithm : digest_algorithms)
    if (iequals(algorithm.name, name.value_or("MD5"))) read.algorithm = &algorithm;
  if (!read.algorithm || digest_hash(*read.algorithm, {}).empty()) return std::nullopt;

  const auto qop = challenge.param("qop").value_or(std::string_view());
  read.has_qop = qop.find_first_not_of(" \t,") != qop.npos;
  if (read.has_qop && !list_has_token(qop, "auth")) return std::nullopt;
  // Without `qop` no cnonce is sent, but a server needs the cnonce for a session.
  if (!read.has_qop && read.algorithm->session) return std::nullopt;

  const auto nonce = challenge.param("nonce");
  if (!nonce) return std::nullopt;
  read.nonce = *nonce;
  read.realm = challenge.param("realm").value_or(std::string_view());
  const auto opaque = challenge.param("opaque");
  read.has_opaque = opaque.has_value();
  read.opaque = opaque.value_or(std::string_view());
  for (const std::string* text : {&read.realm, &read.nonce, &read.opaque})
    if (check_field("Authorization", *text)) return std::nullopt;
  const auto is = [&challenge](std::string_view param, std::string_view value) {
    return iequals(challenge.param(param).value_or(std::string_view()), value);
  };
  read.hides_user = is("userhash", "true");
  read.utf8 = is("charset", "UTF-8");
  read.stale = is("stale", "true");
  read.domain = challenge.param("domain").value_or(std::string_view());
  return read;
}

/// The strongest of the challenges that can be answered; of equally strong ones the first, which
/// the server prefers (RFC 7616 3.7).
inline std::optional<DigestChallenge> choose_digest_challenge(const Headers& response, bool proxy) {
  std::optional<DigestChallenge> best;
  for (const Challenge& challenge :
       challenges(response, proxy ? "Proxy-Authenticate" : "WWW-Authenticate")) {
    auto read = read_digest_challenge(challenge);
    if (read && (!best || read->algorithm->strength > best->algorithm->strength))
      best = std::move(read);
  }
  return best;
}

}  // namespace ferry::detail

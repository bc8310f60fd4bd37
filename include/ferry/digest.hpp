#pragma once

/// @file
/// Digest authentication: `ferry::digest(user, password)`. The definitions need the hashes of
/// OpenSSL; link `crypto` when you use this header.

#include <memory>
#include <string_view>

#include <ferry/authenticator.hpp>
#include <ferry/detail/base/configuration.hpp>

namespace ferry::inline FERRY_CONFIGURATION {

/// Sends a user and a password as a hash that is good for one request: `Authorization: Digest ...`,
/// or `Proxy-Authorization` for a proxy.
///
/// A server must ask first: the first request is refused, and sent again with an answer to the
/// challenge. Later requests to the same protection space carry credentials at once. MD5, SHA-256
/// and SHA-512-256 are supported, also as `-sess`; the strongest that the server offers is used. A
/// server that wants the body to be hashed as well (`qop="auth-int"` alone) gets no answer: its 401
/// is then the response, as it is if user or password are wrong.
///
/// Both are hashed as the bytes given; servers that announce a charset want UTF-8, in normal form
/// C.
///
/// @return an authenticator that any number of clients and requests may share; they then share the
///   nonces too, which saves challenges.
/// @throws Error `Errc::invalid_option` for a control character in either. The message shows
///   neither. Threads: any. (RFC 7616, RFC 2069)
std::shared_ptr<Authenticator> digest(std::string_view user, std::string_view password);

}  // namespace ferry

#if !defined(FERRY_SEPARATE_COMPILATION)
#include <ferry/impl/digest.ipp>
#endif

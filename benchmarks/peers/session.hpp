#pragma once

/// @file
/// TLS sessions for clients that leave sessions to their user.

#include <memory>
#include <openssl/ssl.h>

namespace peer {

/// The session that the server sent last.
inline std::unique_ptr<SSL_SESSION, decltype(&SSL_SESSION_free)> session{nullptr, SSL_SESSION_free};

/// Makes the context keep new sessions.
inline void keep_sessions(SSL_CTX* tls) {
  SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
  SSL_CTX_sess_set_new_cb(tls, [](SSL*, SSL_SESSION* latest) {
    session.reset(latest);
    return 1;  // The session belongs to this program now.
  });
}

/// Resumes the last session; call this before a handshake.
inline void resume_session(SSL* tls) {
  if (session) SSL_set_session(tls, session.get());
}

}  // namespace peer

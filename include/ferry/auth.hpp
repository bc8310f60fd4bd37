#pragma once

/// @file
/// The authenticators that need no library: `basic`, `bearer`, `netrc`, and `only_for`, which binds
/// another one to one origin. `digest` is in `ferry/digest.hpp`.

#include <memory>
#include <string>
#include <string_view>

#include <ferry/authenticator.hpp>
#include <ferry/detail/base/configuration.hpp>

namespace ferry::inline FERRY_CONFIGURATION {

/// Sends a user and a password with every request: `Authorization: Basic ...`.
///
/// Anyone who can read the request can read both, so use `https://`. The bytes are sent as given;
/// UTF-8 is recommended.
///
/// @param user the user; must not contain a colon.
/// @param password the password.
/// @return an authenticator that any number of clients and requests may share.
/// @throws Error `Errc::invalid_option` for a control character (the line end after a password that
///   was read from a file, for example), or for a colon in `user`. The message shows neither. (RFC
///   7617)
std::shared_ptr<Authenticator> basic(std::string_view user, std::string_view password);

/// Sends a token with every request: `Authorization: Bearer ...`. A token that has to be fetched or
/// renewed needs an `Authenticator` of your own.
///
/// Anyone who can read the request can read the token, so use `https://`.
///
/// @return an authenticator that any number of clients and requests may share.
/// @throws Error `Errc::invalid_option` for a token that is empty, or has a space or a control
///   character. The message does not show the token. (RFC 6750 2.1)
std::shared_ptr<Authenticator> bearer(std::string_view token);

/// Sends the user and the password that a netrc file has for the host: `Authorization: Basic ...`.
///
/// The file is read as curl reads it. `machine NAME login USER password SECRET` applies to exactly
/// this host, on any port; the first entry of a host counts. `default` applies to all other hosts,
/// except those that a redirect leads to. `account`, `macdef` and unknown words are skipped, so a
/// value with a space must be in double quotes. A host without a login and a password in the file
/// gets those of the request's URL, if the URL has some. The file is read once, during this call. A
/// missing file has no credentials.
///
/// @param path the file's path; a leading `~/` is the home directory. If empty: `$NETRC`, or
///   `~/.netrc`.
/// @return an authenticator that any number of clients and requests may share.
/// @throws Error `Errc::invalid_option` for a file that cannot be read or is malformed. The message
///   names the line but shows nothing of it.
std::shared_ptr<Authenticator> netrc(std::string path = {});

/// Binds an authenticator to one origin, for a client that also sends to others:
/// `only_for("https://api.example", ferry::bearer(token))`. Every other origin gets nothing from
/// the authenticator, so a user and a password in the request's URL are sent there.
///
/// A redirect that comes back to the origin gets the credentials again.
///
/// @param url a URL; only its scheme, host and port count.
/// @throws Error `Errc::invalid_url`; `Errc::invalid_option` if `auth` is null.
std::shared_ptr<Authenticator> only_for(std::string url, std::shared_ptr<Authenticator> auth);

}  // namespace ferry

#if !defined(FERRY_SEPARATE_COMPILATION)
#include <ferry/impl/auth.ipp>
#endif
